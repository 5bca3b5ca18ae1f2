import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { joinVm } from "../../../../src/app/join/show-token.ts";
import type { HostPort } from "../../../../src/mesh/address.ts";
import { MeshError } from "../../../../src/mesh/errors.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";
import { Secret } from "../../../../src/mesh/secret.ts";
import { registerBundle } from "../../../../src/proxy/io/identity/bundle-service.ts";
import { parseCertificate } from "../../../../src/trust/certificate.ts";
import { createCsr } from "../../../../src/trust/csr.ts";
import { identityOf } from "../../../../src/trust/identity.ts";
import { readAll, tokensDir } from "../../../../src/trust/io/join-token-files.ts";
import { newPrivateKey } from "../../../../src/trust/io/new-key.ts";
import { fromPem } from "../../../../src/trust/pem.ts";
import { judgeLeaf } from "../../../../src/trust/svid-rules.ts";
import { issuePath } from "../../../../src/xds/issuing.ts";
import { startAgent } from "../../../proxy/io/fixture.ts";
import { cartGroup, type IdentityAgent, makeTrust, startIdentityAgent } from "./identity-agent.ts";

const cartId = "spiffe://east.acme.mesh/ns/shop/sa/cart";

let trust: Awaited<ReturnType<typeof makeTrust>>;
before(async () => {
  trust = await makeTrust();
});
after(async () => await trust[Symbol.asyncDispose]());

async function outcomeOf(work: ReturnType<typeof joinVm>): Promise<string> {
  try {
    const { svid } = await work;
    const verdict = judgeLeaf(parseCertificate(svid.chainDer[0] ?? new Uint8Array()));
    return verdict.t === "ok" ? verdict.id : verdict.reason;
  } catch (thrown) {
    if (thrown instanceof MeshError) return thrown.code;
    throw thrown;
  }
}

interface Ask {
  readonly token: Secret;
  readonly csr?: Uint8Array;
  readonly agents?: readonly HostPort[];
  readonly workloadGroup?: string;
  readonly rounds?: number;
}

function askAt(agent: IdentityAgent, { csr, agents, ...ask }: Ask): Promise<string> {
  const asked = { csr: csr ?? createCsr(newPrivateKey()), agents: agents ?? [agent.address] };
  return outcomeOf(joinVm({ ...asked, ...ask }));
}

async function usesAt(agent: IdentityAgent): Promise<number> {
  const { tokens } = await readAll(tokensDir(agent.stateDir));
  return tokens.reduce((sum, { uses }) => sum + uses.length, 0);
}

/** How many tokens it was shown and did not take. */
function refusalsIn(agent: IdentityAgent): number {
  return agent.lines.filter(({ message }) => message.startsWith("SVID")).length;
}

/** A CSR that OpenSSL made with these arguments. */
function opensslCsr(...args: readonly string[]): Buffer {
  const key = join(trust.dir, "openssl.key");
  const base = ["req", "-new", "-nodes", "-keyout", key, "-outform", "DER"];
  return execFileSync("openssl", [...base, ...args], { stdio: ["ignore", "pipe", "ignore"] });
}

const p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] as const;

describe("a VM with a join token", () => {
  test("gets its group's identity, the roots, and the name of its group", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "first" });
    const { text } = await agent.makeToken();
    const key = newPrivateKey();
    const joined = await joinVm({ agents: [agent.address], token: text, csr: createCsr(key) });
    assert.equal(joined.workloadGroup, "shop/carts");
    assert.equal(joined.agent.agentId, "spiffe://east.acme.mesh/isthmus/agent");
    const identity = identityOf(key, joined.svid);
    assert.equal(identity.id, cartId);
    const roots = agent.trust.charter().bundle.roots.map((root) => root.der.toString("hex"));
    const got = fromPem("CERTIFICATE", identity.bundlePem).map((der) => der.toString("hex"));
    assert.deepEqual(got, roots);
  });

  test("is refused its token a second time, except with the key that has it", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "replay" });
    const { text } = await agent.makeToken();
    const csr = createCsr(newPrivateKey());
    assert.equal(await askAt(agent, { token: text, csr }), cartId);
    assert.equal(await askAt(agent, { token: text }), "MESH_JOIN_TOKEN_USED");
    assert.equal(await askAt(agent, { token: text, csr }), cartId);
    assert.equal(await usesAt(agent), 1);
  });

  test("comes in with fifty others at once, each with a key of its own", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "fleet" });
    const { text } = await agent.makeToken({ uses: 50 });
    const outcomes = await Promise.all(
      Array.from({ length: 51 }, () => askAt(agent, { token: text })),
    );
    assert.equal(outcomes.filter((outcome) => outcome === cartId).length, 50);
    assert.equal(outcomes.filter((outcome) => outcome === "MESH_JOIN_TOKEN_USED").length, 1);
  });

  test("is refused for each reason with its own code, and its use is not taken", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "reasons" });
    const { text } = await agent.makeToken();
    const forged = new Secret(`${text.reveal().slice(0, 30)}AAAA${text.reveal().slice(34)}`);
    const gone = await agent.makeToken({
      grant: { t: "vm", group: parseServiceId("shop/gone"), services: [] },
    });
    const narrow = await agent.makeToken({
      grant: {
        t: "vm",
        group: parseServiceId("shop/carts"),
        services: [parseServiceId("shop/frontend")],
      },
    });
    const elsewhere = await agent.makeToken({ from: ["10.0.0.0/8"] });
    const cases = [
      ["MESH_JOIN_TOKEN_MALFORMED", { token: new Secret("isthmus1.x") }],
      ["MESH_JOIN_TOKEN_MALFORMED", { token: new Secret(text.reveal().slice(0, 100)) }],
      ["MESH_JOIN_TOKEN_UNKNOWN", { token: forged }],
      ["MESH_JOIN_TOKEN_SUBJECT", { token: text, workloadGroup: "shop/frontends" }],
      ["MESH_JOIN_TOKEN_SUBJECT", { token: gone.text }],
      ["MESH_JOIN_TOKEN_SUBJECT", { token: narrow.text }],
      ["MESH_JOIN_TOKEN_ADDRESS", { token: elsewhere.text }],
    ] as const;
    for (const [code, ask] of cases) assert.equal(await askAt(agent, ask), code);
    assert.equal(await usesAt(agent), 0);
    assert.equal(await askAt(agent, { token: text, workloadGroup: "shop/carts" }), cartId);
  });

  test("waits while the agent has not read its groups: the token is not judged by what is missing", async () => {
    let isCold = true;
    await using agent = await startIdentityAgent(trust.dir, {
      state: "cold",
      findGroup: () => (isCold ? { t: "unknown" } : cartGroup),
    });
    const { text } = await agent.makeToken();
    const once = { token: text, rounds: 1 };
    assert.equal(await askAt(agent, once), "MESH_JOIN_TOKEN_UNPROVEN");
    assert.equal(await usesAt(agent), 0);
    isCold = false;
    assert.equal(await askAt(agent, { token: text }), cartId);
  });

  const badCsrs: Readonly<Record<string, () => Uint8Array>> = {
    "of RSA-1024": () => opensslCsr("-newkey", "rsa:1024", "-subj", "/"),
    "of P-224": () =>
      opensslCsr("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-224", "-subj", "/"),
    "with explicit curve parameters": () =>
      opensslCsr(...p256, "-pkeyopt", "ec_param_enc:explicit", "-subj", "/"),
    "signed over SHA-1": () => opensslCsr(...p256, "-sha1", "-subj", "/"),
    "with a wrong signature": () => {
      const csr = Buffer.from(createCsr(newPrivateKey()));
      csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1;
      return csr;
    },
    "of another's key": () => {
      const [one, other] = [createCsr(newPrivateKey()), createCsr(newPrivateKey())];
      const signature = other.length - 72;
      return Buffer.concat([one.subarray(0, signature), other.subarray(signature)]);
    },
    "that is empty": () => new Uint8Array(),
    "that is no CSR": () => Buffer.from("-----BEGIN CERTIFICATE REQUEST-----"),
    "of 17,000 bytes": () => Buffer.alloc(17_000, 0x30),
  };
  for (const [what, made] of Object.entries(badCsrs)) {
    test(`is refused a CSR ${what}, and keeps its token`, async () => {
      await using agent = await startIdentityAgent(trust.dir, { state: `csr ${what}` });
      const { text } = await agent.makeToken();
      assert.equal(await askAt(agent, { token: text, csr: made() }), "MESH_TRUST_CSR_REFUSED");
      assert.equal(await usesAt(agent), 0);
      assert.equal(await askAt(agent, { token: text }), cartId);
    });
  }

  test("sends no CSR of 1 MB to anybody who reads it", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "large" });
    const { text } = await agent.makeToken();
    const outcome = await askAt(agent, { token: text, csr: Buffer.alloc(1_000_000, 0x30) });
    // The library ends the call before any of ours sees it.
    assert.equal(outcome, "MESH_UNREACHABLE");
    assert.equal(await usesAt(agent), 0);
  });

  test("gets no name that its CSR asks for", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "names" });
    const { text } = await agent.makeToken();
    const names = "URI:spiffe://west.acme.mesh/isthmus/agent,DNS:agent.west.acme.mesh,IP:10.0.0.1";
    const csr = opensslCsr(...p256, "-subj", "/CN=west", "-addext", `subjectAltName=${names}`);
    const { svid } = await joinVm({ agents: [agent.address], token: text, csr });
    const leaf = parseCertificate(svid.chainDer[0] ?? new Uint8Array());
    const verdict = judgeLeaf(leaf);
    assert.equal(verdict.t === "ok" ? verdict.id : verdict.reason, cartId);
    assert.ok(!leaf.der.includes("west"));
  });

  test("finds the replica that has its token, by address or behind one", async () => {
    await using one = await startIdentityAgent(trust.dir, { state: "one", hasOthers: true });
    await using other = await startIdentityAgent(trust.dir, { state: "other", hasOthers: true });
    const first = await other.makeToken();
    const lonely = await askAt(one, { token: first.text });
    assert.equal(lonely, "MESH_JOIN_TOKEN_ELSEWHERE");
    const agents = [{ host: "127.0.0.1", port: 1 }, one.address, other.address];
    assert.equal(await askAt(one, { token: first.text, agents }), cartId);
    // Each try takes two connections: to learn the roots, and to show the token.
    const balanced = [one.address, one.address, one.address, other.address];
    const balancer = createServer((socket) => {
      const next = balanced.shift() ?? one.address;
      const upstream = connect(next.port, next.host);
      socket.on("error", () => upstream.destroy());
      upstream.on("error", () => socket.destroy());
      socket.pipe(upstream).pipe(socket);
    });
    balancer.listen(0, "127.0.0.1");
    await once(balancer, "listening");
    try {
      const bound = balancer.address();
      assert.ok(typeof bound === "object" && bound !== null);
      const second = await other.makeToken();
      const behind = [{ host: "127.0.0.1", port: bound.port }];
      assert.equal(await askAt(one, { token: second.text, agents: behind }), cartId);
      assert.equal(balanced.length, 0);
    } finally {
      balancer.close();
    }
  });

  test("never shows its token to who only knows the root and the agent's name", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "middle" });
    const { text } = await agent.makeToken();
    const shown: string[] = [];
    const roots = agent.trust.charter().bundle.roots.map((root) => root.der);
    // A mesh of the same names: only its root is another one.
    await using middle = await startAgent({
      registerUnproven: (grpc) => {
        const { agentId } = agent.trust;
        registerBundle(grpc, () => ({ bundle: roots, agentId }));
        grpc.register(
          issuePath,
          (_call: unknown, reply: (error: Error) => void) => {
            shown.push("a token");
            reply(new Error("thanks"));
          },
          () => Buffer.alloc(0),
          (bytes: Buffer) => bytes,
          "unary",
        );
      },
    });
    const ask = { token: text, agents: [middle.server.address] };
    assert.equal(await askAt(agent, ask), "MESH_UNREACHABLE");
    assert.deepEqual(shown, []);
    // And where another agent is named too, that one serves it.
    const both = [middle.server.address, agent.address];
    assert.equal(await askAt(agent, { token: text, agents: both }), cartId);
  });

  test("never shows its token to another member's agent, whose key somebody has", async () => {
    await using east = await startIdentityAgent(trust.dir, { state: "owner" });
    await using west = await startIdentityAgent(trust.dir, { member: "west", state: "thief" });
    const { text } = await east.makeToken();
    const ask = { token: text, agents: [west.address], rounds: 1 };
    assert.equal(await askAt(east, ask), "MESH_JOIN_ROOT_MISMATCH");
    // It says that it is east's agent, and cannot prove that.
    const claimsToBe = east.trust.agentId;
    const liar = { member: "west", state: "liar", claimsToBe };
    await using lying = await startIdentityAgent(trust.dir, liar);
    const asked = { token: text, agents: [lying.address], rounds: 1 };
    assert.equal(await askAt(east, asked), "MESH_UNREACHABLE");
    for (const agent of [west, lying]) assert.equal(refusalsIn(agent), 0);
    assert.equal(await askAt(east, { token: text }), cartId);
  });

  test("leaves neither its token nor the secret in any log", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "quiet" });
    const { text, record } = await agent.makeToken();
    await askAt(agent, { token: text, workloadGroup: "shop/other" });
    await askAt(agent, { token: text });
    await askAt(agent, { token: text });
    const bought = agent.lines.find(({ message }) => message === "SVID issued");
    assert.deepEqual(bought?.fields, { id: cartId, remote: "127.0.0.1", name: record.id });
    const written = JSON.stringify(agent.lines);
    assert.ok(written.includes(record.id), "a refusal says which token it was");
    const bytes = Buffer.from(text.reveal().slice(9, 105), "base64url");
    for (const form of ["base64url", "base64", "hex"] as const) {
      assert.ok(!written.includes(bytes.toString(form)));
      assert.ok(!written.includes(bytes.subarray(8, 40).toString(form)));
    }
  });

  test("is told nothing of the agent's disk when that fails; the log says it", async () => {
    await using agent = await startIdentityAgent(trust.dir, { state: "broken" });
    const { text, record } = await agent.makeToken();
    const file = join(tokensDir(agent.stateDir), record.id, "token.json");
    assert.ok((await readFile(file, "utf8")).includes(record.secretSha256));
    await rm(file);
    await rm(join(tokensDir(agent.stateDir), record.id), { recursive: true });
    assert.equal(await askAt(agent, { token: text }), "MESH_JOIN_TOKEN_UNKNOWN");
    const folder = tokensDir(agent.stateDir);
    await rm(folder, { recursive: true });
    execFileSync("ln", ["-s", folder, folder]);
    const asked = joinVm({
      agents: [agent.address],
      token: text,
      csr: createCsr(newPrivateKey()),
      rounds: 1,
    });
    await assert.rejects(asked, (thrown: unknown) => {
      assert.ok(thrown instanceof MeshError);
      assert.equal(thrown.code, "MESH_JOIN_TOKEN_UNPROVEN");
      return !thrown.message.includes(trust.dir);
    });
    assert.ok(JSON.stringify(agent.lines).includes("ELOOP"));
  });
});
