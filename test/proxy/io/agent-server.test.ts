import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Socket,
} from "node:net";
import { describe, mock, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { status } from "@grpc/grpc-js";
import { MeshError } from "../../../src/mesh/errors.ts";
import { parseSpiffeId } from "../../../src/mesh/ids.ts";
import type { Identity } from "../../../src/mesh/ports.ts";
import { AgentServer } from "../../../src/proxy/io/agent-server.ts";
import { der, octets, sequence, tag } from "../../../src/trust/der.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { privateKeyPemOf, spkiOf } from "../../../src/trust/keys.ts";
import { toPem } from "../../../src/trust/pem.ts";
import {
  decodeRenewResponse,
  encodeRenewRequest,
  type RenewRequest,
  type RenewResponse,
  renewPath,
} from "../../../src/xds/renewal.ts";
import { madeMesh, wishedLeaf } from "../../trust/made.ts";
import { type Agent, agentId, dial, identityOf, Stream, sidecarId, startAgent } from "./fixture.ts";

const sidecarOf = (agent: Agent): Promise<Identity> =>
  identityOf(agent.mesh.east, { mesh: agent.mesh, id: sidecarId });

/** A bare TLS connection; what it proves and offers is up to the test. */
function tlsTo(agent: Agent, options: ConnectionOptions): TLSSocket {
  const { host, port } = agent.server.address;
  return connect({
    host,
    port,
    ca: agent.mesh.bundle.pem,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
    ...options,
  });
}

async function closed(socket: TLSSocket): Promise<void> {
  socket.on("error", () => {});
  socket.resume();
  if (!socket.destroyed) await new Promise((resolve) => socket.once("close", resolve));
}

function shown(identity: Identity): ConnectionOptions {
  return { cert: identity.certChainPem, key: identity.privateKeyPem.reveal() };
}

describe("AgentServer", () => {
  test("prefers the post-quantum key exchange and speaks TLS 1.3 alone", async () => {
    await using agent = await startAgent();
    const identity = await sidecarOf(agent);
    const socket = tlsTo(agent, shown(identity));
    await once(socket, "secureConnect");
    assert.equal(socket.getProtocol(), "TLSv1.3");
    assert.deepEqual(socket.getEphemeralKeyInfo(), {
      type: "TLSGroup",
      name: "X25519MLKEM768",
      size: undefined,
    });
    assert.ok(socket.authorized);
    socket.destroy();
    const old = tlsTo(agent, { ...shown(identity), maxVersion: "TLSv1.2" });
    const [error] = (await once(old, "error")) as [Error];
    assert.match(error.message, /protocol version/i);
  });

  test("closes connections that prove no identity of the mesh, and says why", async () => {
    await using agent = await startAgent();
    const foreign = await madeMesh(Date.now());
    const key = newPrivateKey();
    const keyPem = String(privateKeyPemOf(key).reveal());
    const wrong = async (wish: Parameters<typeof wishedLeaf>[0]): Promise<ConnectionOptions> => {
      const leaf = await wishedLeaf({ ...wish, spki: spkiOf(key) });
      const issuer = wish.issuer.certificate.der;
      return { cert: toPem("CERTIFICATE", leaf.der) + toPem("CERTIFICATE", issuer), key: keyPem };
    };
    const hour = 3_600_000;
    const now = Date.now();
    const times = { notBeforeMs: now - hour, notAfterMs: now + hour };
    const cases: readonly (readonly [ConnectionOptions, RegExp])[] = [
      [{}, /no certificate/],
      [
        { ...shown(await sidecarOf(agent)), ALPNProtocols: ["http/1.1"] },
        /HTTP\/2|application protocol/i,
      ],
      [await wrong({ issuer: foreign.east, ...times }), /root|signature/],
      // An extension whose OID spells a name that every object has.
      [
        await wrong({
          issuer: foreign.east,
          ...times,
          more: [sequence(der(tag.oid, "__proto__"), octets(Buffer.from("any")))],
        }),
        /root|signature/,
      ],
      // East's leaf out of west's issuer.
      [await wrong({ issuer: agent.mesh.west, ...times }), /./],
      [
        await wrong({
          issuer: agent.mesh.east,
          notBeforeMs: now - 2 * hour,
          notAfterMs: now - hour,
        }),
        /./,
      ],
    ];
    for (const [options, reason] of cases) {
      await closed(tlsTo(agent, options));
      assert.match(agent.refusals.at(-1) ?? "", reason);
    }
    assert.equal(agent.refusals.length, cases.length);
  });

  test("survives junk and 1,000 half hellos, and serves good peers beside them", async () => {
    await using agent = await startAgent();
    const { host, port } = agent.server.address;
    const opened = async (bytes: string | Uint8Array): Promise<Socket> => {
      const socket = connectTcp({ host, port });
      socket.on("error", () => {});
      await once(socket, "connect");
      socket.write(bytes);
      return socket.resume();
    };
    const halves = await Promise.all(
      Array.from({ length: 1000 }, () => opened(Uint8Array.of(22, 3, 1, 2))),
    );
    const junk = await opened("GET / HTTP/1.1\r\n\r\n".repeat(50_000));
    if (!junk.closed) await new Promise((resolve) => junk.once("close", resolve));
    using client = dial(agent, await sidecarOf(agent));
    using stream = new Stream(client);
    stream.send("cluster");
    assert.equal((await stream.next()).resources.length, 0);
    assert.ok(agent.lines.length < 50, "the log is flooded");
    for (const half of halves) half.destroy();
  });

  test("takes a hello that comes in pieces, and what comes after it in larger ones", async () => {
    await using agent = await startAgent();
    const { host, port } = agent.server.address;
    const slow = createTcpServer((near) => {
      const far = connectTcp({ host, port, noDelay: true });
      far.on("error", () => near.destroy());
      near.on("error", () => far.destroy());
      near.once("data", (hello) => {
        far.write(hello.subarray(0, 1));
        // The agent has it before it has the rest.
        setTimeout(() => {
          far.write(hello.subarray(1));
          near.pipe(far).pipe(near);
        }, 50);
      });
    });
    slow.listen(0, "127.0.0.1");
    await once(slow, "listening");
    const between = slow.address() as AddressInfo;
    const socket = tlsTo(agent, { ...shown(await sidecarOf(agent)), host, port: between.port });
    const session = connectHttp2("https://agent", { createConnection: () => socket });
    const call = session.request({
      ":method": "POST",
      ":path": renewPath,
      "content-type": "application/grpc",
    });
    call.end(Buffer.alloc(200_000, 1));
    const [headers] = (await once(call, "response")) as [IncomingHttpHeaders];
    assert.equal(headers[":status"], 200);
    session.destroy();
    slow.close();
  });

  test("lets the oldest silent connections go when many come, and keeps those that proved themselves", async () => {
    await using agent = await startAgent({ maxUnproven: 8 });
    const { host, port } = agent.server.address;
    using client = dial(agent, await sidecarOf(agent));
    using stream = new Stream(client);
    stream.send("cluster");
    stream.ack(await stream.next());
    const silent: Socket[] = [];
    for (let count = 0; count < 40; count += 1) {
      const socket = connectTcp({ host, port });
      socket.on("error", () => {});
      await once(socket, "connect");
      silent.push(socket.resume());
    }
    await Promise.all(
      silent
        .slice(0, 32)
        .map((socket) => (socket.closed ? Promise.resolve([]) : once(socket, "close"))),
    );
    assert.equal(silent.filter(({ closed }) => !closed).length, 8);
    stream.send("endpoint", { resourceNamesSubscribe: ["a"] });
    assert.deepEqual((await stream.next()).removedResources, ["a"]);
    for (const socket of silent) socket.destroy();
  });

  test("shows new peers its new certificate and keeps the old connections", async () => {
    await using agent = await startAgent();
    const identity = await sidecarOf(agent);
    using client = dial(agent, identity);
    using stream = new Stream(client);
    stream.send("cluster");
    stream.ack(await stream.next());
    const next = await identityOf(agent.mesh.east, { mesh: agent.mesh, id: agentId });
    agent.identity.replace(next);
    const socket = tlsTo(agent, shown(identity));
    await once(socket, "secureConnect");
    const leaf = toPem("CERTIFICATE", socket.getPeerCertificate().raw);
    assert.ok(next.certChainPem.startsWith(leaf));
    assert.equal(socket.getEphemeralKeyInfo() !== null, true);
    socket.destroy();
    stream.send("endpoint", { resourceNamesSubscribe: ["a"] });
    assert.deepEqual((await stream.next()).removedResources, ["a"]);
  });

  test("closes the connections of a member that the charter denies from now on", async () => {
    await using agent = await startAgent();
    const westId = parseSpiffeId("spiffe://west.acme.mesh/ns/shop/sa/cart");
    const west = await identityOf(agent.mesh.west, { mesh: agent.mesh, id: westId });
    using eastClient = dial(agent, await sidecarOf(agent));
    using westClient = dial(agent, west);
    using good = new Stream(eastClient);
    using bad = new Stream(westClient);
    for (const stream of [good, bad]) {
      stream.send("cluster");
      stream.ack(await stream.next());
    }
    assert.equal(agent.server.recheck(), 0);
    agent.denied.add("west");
    assert.equal(agent.server.recheck(), 1);
    assert.equal((await bad.ended).code, status.UNAVAILABLE);
    good.send("endpoint", { resourceNamesSubscribe: ["a"] });
    assert.deepEqual((await good.next()).removedResources, ["a"]);
  });

  test("closes a connection when its certificate has expired, so that the client shows its new one", async () => {
    mock.timers.enable({ apis: ["setInterval"] });
    try {
      await using agent = await startAgent();
      const lifeMs = 600_000;
      const identity = await identityOf(agent.mesh.east, {
        mesh: agent.mesh,
        id: sidecarId,
        lifeMs,
      });
      using client = dial(agent, identity);
      using stream = new Stream(client);
      stream.send("cluster");
      await stream.next();
      const now = mock.method(Date, "now", () => identity.notAfterMs + 1);
      mock.timers.tick(5000);
      assert.equal((await stream.ended).code, status.UNAVAILABLE);
      now.mock.restore();
      assert.match(agent.refusals.at(-1) ?? "", /expired/);
    } finally {
      mock.timers.reset();
      mock.restoreAll();
    }
  });

  test("names the address that it cannot have", async () => {
    await using agent = await startAgent();
    const identity = agent.identity;
    const lines: string[] = [];
    const again = AgentServer.listen({
      listen: agent.server.address,
      identity,
      verifyPeer: () => ({ t: "refused", reason: "test" }),
      clock: { nowMs: () => 0, monotonicMs: () => 0 },
      log: {
        debug: () => {},
        info: () => {},
        warn: () => {},
        error: (_fields, message) => lines.push(message),
      },
      register: () => {},
    });
    await assert.rejects(again, (error: unknown) => {
      assert.ok(error instanceof MeshError);
      assert.equal(error.code, "MESH_LISTEN_FAILED");
      assert.match(error.message, new RegExp(`127.0.0.1:${agent.server.address.port}`));
      return true;
    });
    assert.deepEqual(lines, [], "whoever asked is told; the log is not");
  });

  test("closes at once beside peers that never finish their hello", async () => {
    const agent = await startAgent();
    const { host, port } = agent.server.address;
    const half = connectTcp({ host, port });
    half.on("error", () => {});
    await once(half, "connect");
    half.write(Uint8Array.of(22, 3, 1, 2));
    // The agent has accepted it once a later peer is served.
    using client = dial(agent, await sidecarOf(agent));
    using stream = new Stream(client);
    stream.send("cluster");
    await stream.next();
    const gone = new Promise((resolve) => half.once("close", resolve));
    half.resume();
    await agent[Symbol.asyncDispose]();
    await gone;
  });

  test("lets calls end within a grace and cuts the rest", async () => {
    await using agent = await startAgent();
    using client = dial(agent, await sidecarOf(agent));
    using stream = new Stream(client);
    stream.send("cluster");
    await stream.next();
    await agent.server.close(20);
    assert.notEqual((await stream.ended).code, status.OK);
  });
});

describe("renewal", () => {
  async function renew(
    agent: Agent,
    request: { readonly csr: Uint8Array },
  ): Promise<RenewResponse | { readonly code: number; readonly details: string }> {
    using client = dial(agent, await sidecarOf(agent));
    return await new Promise((resolve) => {
      client.makeUnaryRequest<RenewRequest, RenewResponse>(
        renewPath,
        encodeRenewRequest,
        decodeRenewResponse,
        request,
        (error, response) => {
          if (response !== undefined) resolve(response);
          else resolve({ code: error?.code ?? -1, details: error?.details ?? "" });
        },
      );
    });
  }

  test("hands the peer and its CSR to whoever issues, and the chain back", async () => {
    const seen: string[] = [];
    await using agent = await startAgent({
      renew: (peer, csr) => {
        seen.push(`${peer.id} ${csr.length}`);
        return Promise.resolve({ chain: [Uint8Array.of(1)], bundle: [Uint8Array.of(2)] });
      },
    });
    const response = await renew(agent, { csr: Uint8Array.of(1, 2, 3) });
    assert.ok("chain" in response);
    assert.deepEqual([...(response.chain[0] ?? [])], [1]);
    assert.deepEqual(seen, [`${sidecarId} 3`]);
  });

  const failures = [
    [
      new MeshError("MESH_TRUST_CSR_REFUSED", "Cannot read CSR: bad"),
      status.INVALID_ARGUMENT,
      /bad/,
    ],
    [new MeshError("MESH_TRUST_ISSUE_REFUSED", "Cannot issue: no"), status.PERMISSION_DENIED, /no/],
    [new Error("disk full at /secret/path"), status.INTERNAL, /^the agent could not issue$/],
  ] as const;
  for (const [error, code, details] of failures) {
    test(`answers ${status[code]} to "${error.message}"`, async () => {
      await using agent = await startAgent({ renew: () => Promise.reject(error) });
      const response = await renew(agent, { csr: Uint8Array.of(1) });
      assert.ok("code" in response);
      assert.equal(response.code, code);
      assert.match(response.details, details);
    });
  }

  test("logs refusals with their peer, and few of them however often it asks", async () => {
    const error = new MeshError("MESH_TRUST_CSR_REFUSED", "Cannot read CSR: bad");
    await using agent = await startAgent({ renew: () => Promise.reject(error) });
    await Promise.all(Array.from({ length: 100 }, () => renew(agent, { csr: Uint8Array.of(1) })));
    const lines = agent.lines.filter(({ message }) => message === "Renewal refused");
    assert.ok(lines.length > 0 && lines.length < 40, `${lines.length} lines`);
    assert.deepEqual(lines[0]?.fields, { peer: sidecarId, reason: error.message });
  });

  for (const size of [0, 20_000]) {
    test(`refuses a CSR of ${size} bytes without asking anybody`, async () => {
      await using agent = await startAgent({ renew: () => assert.fail("asked") });
      const response = await renew(agent, { csr: new Uint8Array(size) });
      assert.ok("code" in response);
      assert.equal(response.code, status.INVALID_ARGUMENT);
    });
  }
});
