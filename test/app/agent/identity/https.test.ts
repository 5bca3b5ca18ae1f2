import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { HttpsCalls } from "../../../../src/proxy/io/identity/https-calls.ts";
import { parseBundle } from "../../../../src/trust/bundle.ts";
import { parseCertificate } from "../../../../src/trust/certificate.ts";
import { issueWorkload } from "../../../../src/trust/io/trust-files.ts";
import { parseJoinToken } from "../../../../src/trust/join/join-token.ts";
import { fromPem } from "../../../../src/trust/pem.ts";
import { judgeLeaf } from "../../../../src/trust/svid-rules.ts";
import { startAgent } from "../../../proxy/io/fixture.ts";
import { mutated, seededRandom } from "../../../trust/mutations.ts";
import { type IdentityAgent, makeTrust, startIdentityAgent } from "./identity-agent.ts";

const cartId = "spiffe://east.acme.mesh/ns/shop/sa/cart";

let trust: Awaited<ReturnType<typeof makeTrust>>;
let agent: IdentityAgent;
const file = (name: string): string => join(trust.dir, name);

before(async () => {
  trust = await makeTrust();
  agent = await startIdentityAgent(trust.dir);
  makeCsr("vm");
});
after(async () => {
  await agent[Symbol.asyncDispose]();
  await trust[Symbol.asyncDispose]();
});

/** `NAME.key` and `NAME.csr`, as whoever has no Node makes them. */
function makeCsr(name: string): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const out = ["-keyout", file(`${name}.key`), "-out", file(`${name}.csr`), "-subj", "/CN=vm"];
  execFileSync("openssl", ["req", "-new", ...key, ...out], { stdio: "ignore" });
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request by curl, which trusts the mesh's root and dials the agent by its name. */
async function curl(path: string, ...args: readonly string[]): Promise<Answer> {
  const { host, port } = agent.address;
  const name = `agent.east.acme.mesh:${port}`;
  const options = ["-sS", "--max-time", "20", "--cacert", join(trust.dir, "east", "bundle.pem")];
  const target = ["--connect-to", `${name}:${host}:${port}`, `https://${name}${path}`];
  const format = ["-w", "\n%{http_code}"];
  const output = await new Promise<string>((resolve, reject) => {
    execFile("curl", [...options, ...format, ...args, ...target], (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr, { cause: error }));
    });
  });
  const end = output.lastIndexOf("\n");
  return { status: Number(output.slice(end + 1)), body: output.slice(0, end) };
}

async function newToken(): Promise<string> {
  const { text } = await agent.makeToken();
  // With the line break that files end with.
  writeFileSync(file("token"), `${text.reveal()}\n`, { mode: 0o600 });
  return text.reveal();
}

const form = (): readonly string[] => [
  "--data-urlencode",
  `csr@${file("vm.csr")}`,
  "--data-urlencode",
  `joinToken@${file("token")}`,
];
const accept = ["-H", "Accept: application/x-pem-file"] as const;

function idIn(pem: string): string {
  const [leaf = Buffer.alloc(0)] = fromPem("CERTIFICATE", pem);
  const verdict = judgeLeaf(parseCertificate(leaf));
  return verdict.t === "ok" ? verdict.id : verdict.reason;
}

function codeIn({ status, body }: Answer): string {
  const { code } = JSON.parse(body) as { readonly code: string };
  return `${status} ${code}`;
}

describe("the identity service over plain HTTPS, asked by curl", () => {
  test("tells anybody its roots, one of which a token names", async () => {
    const { body, status } = await curl("/v1/bundle", "-k");
    assert.equal(status, 200);
    const answer = JSON.parse(body) as { readonly agentId: string; readonly bundle: string };
    assert.equal(answer.agentId, "spiffe://east.acme.mesh/isthmus/agent");
    const { text } = await agent.makeToken();
    const { rootSpkiSha256 } = parseJoinToken(text);
    const roots = parseBundle(answer.bundle).roots.map((root) => root.spkiSha256);
    assert.deepEqual(roots, [rootSpkiSha256]);
    assert.equal((await curl("/v1/bundle", ...accept)).body.trim(), answer.bundle.trim());
  });

  test("takes a form and answers JSON", async () => {
    await newToken();
    const { body, status } = await curl("/v1/issue", ...form());
    assert.equal(status, 200, body);
    const answer = JSON.parse(body) as Readonly<Record<string, string>>;
    assert.equal(answer["id"], cartId);
    assert.equal(answer["workloadGroup"], "shop/carts");
    assert.equal(idIn(answer["chain"] ?? ""), cartId);
    assert.ok(Date.parse(answer["notAfter"] ?? "") > Date.now());
    assert.equal(parseBundle(answer["bundle"] ?? "").roots.length, 1);
    assert.equal(codeIn(await curl("/v1/issue", ...form(), "-H", "Accept: */*")), "200 undefined");
  });

  test("answers PEM that OpenSSL verifies, and renews by it over mTLS", async () => {
    await newToken();
    const first = await curl("/v1/issue", ...form(), ...accept);
    assert.equal(first.status, 200, first.body);
    writeFileSync(file("vm.pem"), first.body);
    const bundle = join(trust.dir, "east", "bundle.pem");
    const roots = ["-CAfile", bundle, "-untrusted", file("vm.pem")];
    const verified = execFileSync("openssl", ["verify", "-x509_strict", ...roots, file("vm.pem")]);
    assert.match(verified.toString(), /: OK/);
    makeCsr("next");
    const mtls = ["--cert", file("vm.pem"), "--key", file("vm.key")];
    const csr = ["--data-urlencode", `csr@${file("next.csr")}`];
    const second = await curl("/v1/renew", ...mtls, ...csr, ...accept);
    assert.equal(second.status, 200, second.body);
    assert.equal(idIn(second.body), cartId);
    assert.notEqual(second.body, first.body);
  });

  test("takes JSON, with the CSR in PEM or in base64", async () => {
    const pem = execFileSync("cat", [file("vm.csr")]).toString();
    const der = execFileSync("openssl", ["req", "-in", file("vm.csr"), "-outform", "DER"]);
    for (const csr of [pem, der.toString("base64")]) {
      const joinToken = await newToken();
      writeFileSync(file("body.json"), JSON.stringify({ csr, joinToken }));
      const json = [
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        `@${file("body.json")}`,
      ];
      assert.equal((await curl("/v1/issue", ...json)).status, 200);
    }
  });

  test("says for each refusal what it is, by HTTP status and code", async () => {
    await newToken();
    const csr = ["--data-urlencode", `csr@${file("vm.csr")}`];
    const field = (name: string, value: string): readonly string[] => [
      "--data-urlencode",
      `${name}=${value}`,
    ];
    const type = "Content-Type: application/json";
    const json = (body: string): readonly string[] => ["-H", type, "--data-raw", body];
    const cases = [
      ["401 MESH_JOIN_TOKEN_MALFORMED", "/v1/issue", [...csr, ...field("joinToken", "isthmus1.x")]],
      ["401 MESH_TOKEN_MALFORMED", "/v1/issue", csr],
      [
        "401 MESH_TOKEN_MALFORMED",
        "/v1/issue",
        [...form(), ...field("serviceAccountToken", "e.e.e")],
      ],
      ["401 MESH_TOKEN_UNTRUSTED", "/v1/issue", [...csr, ...field("serviceAccountToken", "e.e.e")]],
      [
        "403 MESH_JOIN_TOKEN_SUBJECT",
        "/v1/issue",
        [...form(), ...field("workloadGroup", "shop/x")],
      ],
      ["400 MESH_TRUST_CSR_REFUSED", "/v1/issue", form().slice(2)],
      ["400 MESH_TRUST_CSR_REFUSED", "/v1/issue", [...form().slice(2), ...field("csr", "AAAA")]],
      ["400 MESH_USAGE", "/v1/issue", [...form(), ...field("tokn", "x")]],
      ["400 MESH_USAGE", "/v1/issue", [...form(), ...field("csr", "x")]],
      ["400 MESH_USAGE", "/v1/issue", json("{")],
      ["400 MESH_USAGE", "/v1/issue", json("[]")],
      ["400 MESH_USAGE", "/v1/issue", json('{"csr":1}')],
      ["400 MESH_USAGE", "/v1/issue", json('{"__proto__":{"csr":"x"}}')],
      ["400 MESH_USAGE", "/v1/issue", ["-H", "Content-Type: text/plain", "--data-raw", "x"]],
      ["403 MESH_TRUST_IDENTITY_REFUSED", "/v1/renew", csr],
      ["409 MESH_TRUST_SIGNER_MISSING", "/v1/join", form()],
      ["404 MESH_NOT_FOUND", "/v1/issue", []],
      ["404 MESH_NOT_FOUND", "/v1/../etc/passwd", ["--path-as-is"]],
      ["404 MESH_NOT_FOUND", "/", ["-X", "OPTIONS"]],
    ] as const;
    for (const [expected, path, args] of cases) {
      assert.equal(codeIn(await curl(path, ...args)), expected, `${path} ${args.join(" ")}`);
    }
    // None of all that took the token.
    assert.equal((await curl("/v1/issue", ...form())).status, 200);
  });

  test("reads no more than 32 kB of a body, and says so", async () => {
    writeFileSync(file("large"), Buffer.alloc(1_000_000, 0x41));
    const sent = ["--data-urlencode", `csr@${file("large")}`];
    const answer = await curl("/v1/issue", ...sent).catch((error: unknown) => String(error));
    // A client that goes on sending may meet the closed connection before the answer.
    const outcome = typeof answer === "string" ? answer : codeIn(answer);
    assert.match(outcome, /^400 MESH_USAGE$|reset|broken pipe|Send failure|send failure/i);
    assert.equal((await curl("/v1/bundle")).status, 200);
  });

  test("believes a certificate only if the charter does", async () => {
    const [out, account] = [file("west-svid"), { namespace: "shop", serviceAccount: "cart" }];
    await issueWorkload({ dir: file("west"), out, account, nowMs: Date.now() });
    const mtls = ["--cert", join(out, "svid.pem"), "--key", join(out, "svid.key")];
    const csr = ["--data-urlencode", `csr@${file("vm.csr")}`];
    // Of the mesh, but of another member: this agent does not give that identity.
    assert.equal(codeIn(await curl("/v1/renew", ...mtls, ...csr)), "403 MESH_TRUST_ISSUE_REFUSED");
    await using other = await makeTrust();
    const strange = join(other.dir, "svid");
    await issueWorkload({ dir: join(other.dir, "east"), out: strange, account, nowMs: Date.now() });
    const foreign = ["--cert", join(strange, "svid.pem"), "--key", join(strange, "svid.key")];
    await assert.rejects(curl("/v1/renew", ...foreign, ...csr));
  });

  test("leaves no token and no body in the log", async () => {
    const token = await newToken();
    await curl("/v1/issue", ...form(), "--data-urlencode", "workloadGroup=shop/other");
    await curl("/v1/issue", ...form(), "--data-urlencode", "odd=x");
    await curl(`/v1/issue?joinToken=${token}`, ...form());
    assert.ok(!JSON.stringify(agent.lines).includes(token.slice(9)));
  });
});

describe("the HTTPS side of the agent's port", () => {
  /** What comes back on a TLS connection that sends this; ends when the agent closes it. */
  async function raw(sent: Buffer | string): Promise<string> {
    const { host, port } = agent.address;
    const socket = connect({ host, port, rejectUnauthorized: false });
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => {});
    await once(socket, "secureConnect");
    socket.end(sent);
    if (!socket.closed) await once(socket, "close");
    return Buffer.concat(chunks).toString("latin1");
  }

  test("answers one request on a connection, and closes it", async () => {
    const request = "GET /v1/bundle HTTP/1.1\r\nHost: agent\r\n\r\n";
    const answered = await raw(request.repeat(3));
    assert.equal(answered.split("HTTP/1.1 200 OK").length, 2);
    assert.match(answered, /connection: close/i);
    assert.match(answered, /cache-control: no-store/i);
  });

  test("says 400 to what is no HTTP, and 431 to endless headers", async () => {
    assert.match(await raw("\x16\x03\x01 hello\r\n\r\n"), /^HTTP\/1\.1 400/);
    const headers = `GET /v1/bundle HTTP/1.1\r\nHost: agent\r\nX: ${"x".repeat(20_000)}\r\n\r\n`;
    assert.match(await raw(headers), /^HTTP\/1\.1 431/);
  });

  test("lives through damaged requests, each answered or cut", async () => {
    const { text } = await agent.makeToken();
    const body = JSON.stringify({ csr: "AAAA", joinToken: text.reveal() });
    const request =
      "POST /v1/issue HTTP/1.1\r\nHost: agent\r\nContent-Type: application/json\r\n" +
      `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
    const random = seededRandom(11);
    const statuses = new Set<string>();
    for (let round = 0; round < 150; round += 1) {
      // What was cut shorter than it says waits for the rest until its time is over: not in this test.
      const damaged = Buffer.concat([
        mutated(Buffer.from(request), random),
        Buffer.alloc(400, 0x20),
      ]);
      const answered = await raw(damaged);
      statuses.add(answered.slice(9, 12));
      assert.ok(!answered.includes(" 200 "), answered);
      assert.ok(!answered.includes(" 500 "), answered);
    }
    assert.ok(statuses.has("400"));
    assert.equal((await curl("/v1/bundle")).status, 200);
  });

  test("closes a connection that says nothing, or not all, when its time is over", async () => {
    const desks = {} as ConstructorParameters<typeof HttpsCalls>[0];
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    await using slow = await startAgent({ https: new HttpsCalls(desks, { log, lifeMs: 300 }) });
    const { host, port } = slow.server.address;
    for (const sent of ["", "POST /v1/issue HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"]) {
      const socket = connect({ host, port, rejectUnauthorized: false });
      socket.on("error", () => {});
      socket.resume();
      await once(socket, "secureConnect");
      socket.write(sent);
      await once(socket, "close");
    }
  });

  test("keeps HTTP/2 for gRPC: who offers that alone meets no plain HTTP", async () => {
    const { host, port } = agent.address;
    const socket = connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    await once(socket, "secureConnect");
    assert.equal(socket.alpnProtocol, "h2");
    socket.destroy();
    const both = connect({
      host,
      port,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2", "http/1.1"],
    });
    await once(both, "secureConnect");
    assert.equal(both.alpnProtocol, "http/1.1");
    both.destroy();
  });
});
