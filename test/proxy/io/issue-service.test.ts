import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { type Client, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { MeshError } from "../../../src/mesh/errors.ts";
import { parseSpiffeId } from "../../../src/mesh/ids.ts";
import { Secret } from "../../../src/mesh/secret.ts";
import type { IssueDeskOptions } from "../../../src/proxy/identity/issue-desk.ts";
import { announcePath } from "../../../src/xds/announce.ts";
import { codeTrailer, encodeIssueRequest, issuePath } from "../../../src/xds/issuing.ts";
import { decodeRenewResponse, type RenewResponse, renewPath } from "../../../src/xds/renewal.ts";
import { type Agent, dial, identityOf, Stream, sidecarId, startAgent } from "./fixture.ts";

const secret = "eyJ.a-token-that-nobody-may-print.x";
const answer: RenewResponse = { chain: [Uint8Array.of(1)], bundle: [Uint8Array.of(2)] };
const csr = Uint8Array.of(1, 2, 3);
const good = encodeIssueRequest({
  csr,
  proof: { t: "service-account-token", token: new Secret(secret) },
});

type Outcome =
  | RenewResponse
  | { readonly code: number; readonly trailer: string; readonly details: string };

/** One call with these bytes. */
function ask(client: Client, bytes: Buffer = good, path = issuePath): Promise<Outcome> {
  return new Promise((resolve) => {
    client.makeUnaryRequest<Buffer, RenewResponse>(
      path,
      (each) => each,
      decodeRenewResponse,
      bytes,
      new Metadata(),
      { deadline: Date.now() + 20_000 },
      (error: ServiceError | null, response) => {
        if (response !== undefined) return resolve(response);
        const trailer = error?.metadata?.get(codeTrailer)[0] ?? "";
        resolve({
          code: error?.code ?? -1,
          trailer: String(trailer),
          details: error?.details ?? "",
        });
      },
    );
  });
}

function issuing(change: Partial<IssueDeskOptions> = {}): Omit<IssueDeskOptions, "clock" | "log"> {
  return { prove: async () => ({ id: sidecarId }), issue: async () => answer, ...change };
}

async function askOnce(change: Partial<IssueDeskOptions> = {}, bytes?: Buffer): Promise<Outcome> {
  await using agent = await startAgent({ issuing: issuing(change) });
  using client = dial(agent);
  return await ask(client, bytes);
}

async function codeOf(outcome: Promise<Outcome>): Promise<string> {
  const got = await outcome;
  return "trailer" in got ? `${status[got.code]} ${got.trailer}` : "issued";
}

describe("Issue", () => {
  test("gives a caller without a certificate what its proof stands for", async () => {
    const seen: string[] = [];
    const outcome = await askOnce({
      prove: async ({ proof: { t, token } }) => {
        seen.push(`${t} ${token.reveal()}`);
        return { id: sidecarId };
      },
      issue: async (id, bytes) => {
        seen.push(`${id} ${[...bytes].join()}`);
        return answer;
      },
    });
    assert.deepEqual("chain" in outcome ? [[...(outcome.chain[0] ?? [])]] : outcome, [[1]]);
    assert.deepEqual(seen, [`service-account-token ${secret}`, `${sidecarId} 1,2,3`]);
  });

  const refusals = [
    ["MESH_TOKEN_EXPIRED", status.UNAUTHENTICATED],
    ["MESH_TRUST_CSR_REFUSED", status.INVALID_ARGUMENT],
    ["MESH_TRUST_ISSUE_REFUSED", status.PERMISSION_DENIED],
  ] as const;
  for (const [code, expected] of refusals) {
    test(`answers ${code} with the code, the sentence and ${status[expected]}`, async () => {
      const outcome = await askOnce({
        prove: () => Promise.reject(new MeshError(code, "Cannot do it: it is not so")),
      });
      const details = "Cannot do it: it is not so";
      assert.deepEqual(outcome, { code: expected, trailer: code, details });
    });
  }

  test("says nothing of the cluster when nobody can judge a token; the log does", async () => {
    const reason = "connect ECONNREFUSED 10.96.0.1:443";
    const prove = (): Promise<never> =>
      Promise.reject(new MeshError("MESH_TOKEN_UNPROVEN", `Cannot judge token: ${reason}`));
    await using agent = await startAgent({ issuing: issuing({ prove }) });
    using client = dial(agent);
    const outcome = await ask(client);
    assert.ok("trailer" in outcome);
    assert.equal(outcome.trailer, "MESH_TOKEN_UNPROVEN");
    assert.equal(outcome.code, status.UNAVAILABLE);
    assert.match(outcome.details, /^Cannot judge token: neither the cluster's keys nor its API/);
    assert.ok(!outcome.details.includes("10.96"), outcome.details);
    assert.match(JSON.stringify(agent.lines), /ECONNREFUSED 10\.96\.0\.1:443/);
  });

  test("says nothing of what broke on its own side", async () => {
    const outcome = await askOnce({ prove: () => Promise.reject(new Error("disk /secret full")) });
    const details = "the agent could not issue";
    assert.deepEqual(outcome, { code: status.INTERNAL, trailer: "MESH_INTERNAL", details });
  });

  const malformed: Readonly<Record<string, readonly [Buffer, string]>> = {
    "no message": [Buffer.of(0xff, 0xff, 0xff), "MESH_TRUST_CSR_REFUSED"],
    nothing: [Buffer.alloc(0), "MESH_TRUST_CSR_REFUSED"],
    "no CSR": [
      encodeIssueRequest({
        csr: new Uint8Array(),
        proof: { t: "service-account-token", token: new Secret(secret) },
      }),
      "MESH_TRUST_CSR_REFUSED",
    ],
    "a CSR of 17,000 bytes": [
      encodeIssueRequest({ csr: new Uint8Array(17_000), proof: undefined }),
      "MESH_TRUST_CSR_REFUSED",
    ],
    "no proof": [encodeIssueRequest({ csr, proof: undefined }), "MESH_TOKEN_MALFORMED"],
  };
  for (const [what, [bytes, code]] of Object.entries(malformed)) {
    test(`refuses ${what} without asking anybody`, async () => {
      const outcome = askOnce({ prove: () => assert.fail("asked") }, bytes);
      assert.match(await codeOf(outcome), new RegExp(` ${code}$`));
    });
  }

  test("reads no more than 32 kB of a caller that has proven nothing", async () => {
    const outcome = await askOnce({}, Buffer.alloc(40_000));
    assert.equal("code" in outcome ? outcome.code : 0, status.RESOURCE_EXHAUSTED);
  });

  test("is all that a caller without a certificate may call", async () => {
    await using agent = await startAgent({ issuing: issuing() });
    using client = dial(agent);
    for (const path of [
      renewPath,
      announcePath,
      "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats",
    ]) {
      const outcome = await ask(client, good, path);
      assert.equal("code" in outcome ? outcome.code : 0, status.UNIMPLEMENTED, path);
    }
    using stream = new Stream(client);
    stream.send("cluster");
    assert.equal((await stream.ended).code, status.UNIMPLEMENTED);
    assert.deepEqual(agent.ads.proxies(), []);
  });

  test("is not for callers with a certificate: those renew", async () => {
    await using agent = await startAgent({ issuing: issuing() });
    using client = dial(
      agent,
      await identityOf(agent.mesh.east, { mesh: agent.mesh, id: sidecarId }),
    );
    const outcome = await ask(client);
    assert.equal("code" in outcome ? outcome.code : 0, status.UNIMPLEMENTED);
  });

  test("is not there where nothing proves an identity", async () => {
    await using agent = await startAgent();
    using client = dial(agent);
    const outcome = await ask(client);
    assert.equal("code" in outcome ? outcome.code : 0, status.UNAVAILABLE);
    assert.ok(agent.refusals.includes("it showed no certificate"));
  });

  test("never writes a token into the log", async () => {
    await using agent = await startAgent({
      issuing: issuing({
        prove: () => Promise.reject(new MeshError("MESH_TOKEN_EXPIRED", "Cannot: too late")),
      }),
    });
    using client = dial(agent);
    await ask(client);
    const refusal = agent.lines.find(({ message }) => message === "SVID refused");
    assert.deepEqual(refusal?.fields, { remote: "127.0.0.1", reason: "Cannot: too late" });
    assert.ok(!JSON.stringify(agent.lines).includes("nobody-may-print"));
  });
});

const generous = { perSecond: 1000, burst: 1000 };
const twice = { perSecond: 0.001, burst: 2 };

async function thrice(change: Partial<IssueDeskOptions>): Promise<readonly string[]> {
  await using agent = await startAgent({ issuing: issuing(change) });
  using client = dial(agent);
  const outcomes: string[] = [];
  for (let round = 0; round < 3; round += 1) outcomes.push(await codeOf(ask(client)));
  return outcomes;
}

describe("Issue keeps its limits:", () => {
  const tooOften = "RESOURCE_EXHAUSTED MESH_XDS_LIMIT";

  test("an address that asks too often is not listened to", async () => {
    const asked: string[] = [];
    const outcomes = await thrice({
      paces: { identity: generous, source: twice },
      prove: async () => {
        asked.push("asked");
        return { id: sidecarId };
      },
    });
    assert.deepEqual(outcomes, ["issued", "issued", tooOften]);
    assert.equal(asked.length, 2);
  });

  test("an identity that asks too often waits, another one does not", async () => {
    const other = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/other");
    const ids = [sidecarId, sidecarId, sidecarId, other];
    const change = {
      paces: { identity: twice, source: generous },
      prove: async () => ({ id: ids.shift() ?? sidecarId }),
    };
    await using agent = await startAgent({ issuing: issuing(change) });
    using client = dial(agent);
    const outcomes: string[] = [];
    for (let round = 0; round < 4; round += 1) outcomes.push(await codeOf(ask(client)));
    assert.deepEqual(outcomes, ["issued", "issued", tooOften, "issued"]);
  });

  test("no more are judged at once than the API server can bear", async () => {
    const gate = Promise.withResolvers<void>();
    let judged = 0;
    await using agent = await startAgent({
      issuing: issuing({
        prove: async () => {
          judged += 1;
          await gate.promise;
          return { id: sidecarId };
        },
      }),
    });
    // One stream at a time for each connection.
    const clients = Array.from({ length: 129 }, () => dial(agent));
    const outcomes = clients.map((client) => codeOf(ask(client)));
    const late = await Promise.race(outcomes);
    assert.equal(late, tooOften);
    gate.resolve();
    const all = await Promise.all(outcomes);
    assert.equal(all.filter((one) => one === "issued").length, 128);
    assert.equal(judged, 128);
    for (const client of clients) client.close();
  });

  test("a connection that proves nothing makes room for those that come after it", async () => {
    await using agent = await startAgent({ issuing: issuing(), maxUnproven: 2 });
    const [first, second] = [await idle(agent), await idle(agent)];
    const gone = once(first, "close");
    const third = await idle(agent);
    await gone;
    assert.deepEqual([second.destroyed, third.destroyed], [false, false]);
    for (const socket of [second, third]) socket.destroy();
  });
});

/** A connection without a certificate that asks nothing. */
async function idle(agent: Agent): Promise<TLSSocket> {
  const { host, port } = agent.server.address;
  const socket = connect({
    host,
    port,
    ca: agent.mesh.bundle.pem,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
  });
  socket.on("error", () => {});
  socket.resume();
  await once(socket, "secureConnect");
  // The server has taken it over when it sends its settings.
  await once(socket, "data");
  return socket;
}
