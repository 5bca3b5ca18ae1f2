import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { on, once } from "node:events";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { Engine } from "../../src/dataplane/io/engine.ts";
import {
  identitySource,
  type TestIdentitySource,
  type TestTrust,
  testTrust,
} from "./support/certificates.ts";
import { FakeAgent } from "./support/fake-agent.ts";
import {
  dial,
  dialTls,
  echo,
  endOf,
  exchange,
  mtlsServer,
  portOf,
  startEngine,
  type TestServer,
  tcpServer,
} from "./support/parts.ts";
import {
  address,
  allow,
  cluster,
  downstreamTls,
  edsCluster,
  extension,
  hosts,
  listener,
  tcpProxy,
  upstreamTls,
  validation,
} from "./support/resources.ts";

const outbound = "outbound|80||cart.shop.svc.cluster.local";
const sni = "outbound_.80_._.cart.shop.svc.cluster.local";
const cartId = "spiffe://west.acme.mesh/ns/shop/sa/cart";
const mtlsMatch = [
  {
    name: "mtls",
    match: { mtls: "true" },
    transportSocket: upstreamTls({ secret: "validation|shop/cart", sni }),
  },
  {
    name: "plain",
    match: {},
    transportSocket: extension("transport_sockets.raw_buffer.v3.RawBuffer"),
  },
];

describe("a sidecar", () => {
  let trust: TestTrust;
  let agent: FakeAgent;
  let engine: Engine;
  let app: TestServer;
  let identity: TestIdentitySource;

  before(async () => {
    trust = await testTrust();
    app = await tcpServer(echo);
    agent = await FakeAgent.start(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"));
    agent.set(
      edsCluster(outbound, { transportSocketMatches: mtlsMatch }),
      hosts(outbound, [{ port: app.port }]),
      validation("validation|shop/cart", { bundlePem: trust.bundlePem, uris: [cartId] }),
      validation("validation|mesh", { bundlePem: trust.bundlePem }),
      listener({
        name: "outbound",
        address: address(0),
        filterChains: [{ filters: [tcpProxy(outbound, { maxConnectAttempts: 6 })] }],
      }),
      cluster({
        name: "inbound|8080||10.0.0.7",
        type: "STATIC",
        connectTimeout: "1s",
        loadAssignment: {
          clusterName: "inbound",
          endpoints: [{ lbEndpoints: [{ endpoint: { address: address(app.port) } }] }],
        },
      }),
      listener({
        name: "inbound",
        address: address(0),
        filterChains: [
          {
            transportSocket: downstreamTls(),
            filters: [
              allow({ prefix: "spiffe://west.acme.mesh/ns/" }),
              tcpProxy("inbound|8080||10.0.0.7"),
            ],
          },
        ],
      }),
    );
    identity = identitySource(await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/frontend"));
    engine = startEngine({ agentPort: agent.port, identity });
    await engine.ready;
  });

  after(async () => {
    await engine.close();
    agent.stop();
    await app[Symbol.asyncDispose]();
  });

  /** Points the upstream at other hosts and waits until the engine has them. */
  async function reroute(
    ...levels: Parameters<typeof hosts> extends [string, ...infer Levels] ? Levels : never
  ): Promise<void> {
    const answered = agent.answered("endpoint");
    agent.set(hosts(outbound, ...levels));
    assert.equal((await answered).refusal, "");
  }

  async function freePort(): Promise<number> {
    await using server = await tcpServer(() => {});
    return server.port;
  }

  test("sends plain bytes to a host without a sidecar", async () => {
    await reroute([{ port: app.port }]);
    const client = dial(portOf(engine, "outbound"));
    assert.equal(await exchange(client, "ping"), "ping");
    client.end();
    assert.deepEqual(await endOf(client), { text: "", wasReset: false });
  });

  test("speaks mTLS 1.3 with the service's SNI to a host with one", async () => {
    let seen: unknown;
    await using cart = await mtlsServer(await trust.identity(cartId), (socket) => {
      seen = {
        servername: socket.servername,
        protocol: socket.getProtocol(),
        peer: socket.getPeerCertificate().subjectaltname,
      };
      echo(socket);
    });
    await reroute([{ port: cart.port, mtls: true }]);
    const client = dial(portOf(engine, "outbound"));
    assert.equal(await exchange(client, "ping"), "ping");
    const peer = "URI:spiffe://east.acme.mesh/ns/shop/sa/frontend";
    assert.deepEqual(seen, { servername: sni, protocol: "TLSv1.3", peer });
    client.end();
    assert.deepEqual(await endOf(client), { text: "", wasReset: false });
  });

  test("never talks to a host with another identity, and goes to the next level instead", async () => {
    await using wrong = await mtlsServer(
      await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/other"),
      echo,
    );
    await using right = await mtlsServer(await trust.identity(cartId), echo);
    await reroute([{ port: wrong.port, mtls: true }], [{ port: right.port, mtls: true }]);
    const client = dial(portOf(engine, "outbound"));
    assert.equal(await exchange(client, "ping"), "ping");
    assert.equal(right.sockets.size, 1);
    client.destroy();
  });

  test("retries a refused connect on the other host and the next level, unseen by the client", async () => {
    await reroute([{ port: await freePort() }, { port: await freePort() }], [{ port: app.port }]);
    const client = dial(portOf(engine, "outbound"));
    assert.equal(await exchange(client, "ping"), "ping");
    client.destroy();
  });

  test("resets the client when no host is left", async () => {
    await reroute([{ port: await freePort() }]);
    const before = engine.status().counters.refused["no-host"];
    const client = dial(portOf(engine, "outbound"));
    assert.deepEqual(await endOf(client), { text: "", wasReset: true });
    assert.equal(engine.status().counters.refused["no-host"], before + 1);
  });

  test("asks the only host again when it was late, as often as attempts are allowed", async () => {
    let greetings = 0;
    // Accepts and says nothing to the first two: a host that is starved, or a packet that was lost.
    await using cart = await mtlsServer(await trust.identity(cartId), echo);
    await using door = await tcpServer((socket) => {
      greetings += 1;
      if (greetings > 2) socket.pipe(dial(cart.port)).pipe(socket);
    });
    await reroute([{ port: door.port, mtls: true }]);
    const client = dial(portOf(engine, "outbound"));
    assert.equal(await exchange(client, "ping"), "ping");
    assert.equal(greetings, 3);
    client.destroy();
  });

  test("asks a host that refuses only once", async () => {
    const refusing = await tcpServer((socket) => socket.resetAndDestroy());
    await reroute([{ port: refusing.port, mtls: true }]);
    const before = engine.status().counters.connectFailures;
    assert.equal((await endOf(dial(portOf(engine, "outbound")))).wasReset, true);
    assert.equal(engine.status().counters.connectFailures, before + 1);
    await refusing[Symbol.asyncDispose]();
  });

  test("closes connections to a host that turns UNHEALTHY, and no others", async () => {
    await using first = await tcpServer(echo);
    await using second = await tcpServer(echo);
    await reroute([{ port: first.port }, { port: second.port }]);
    const clients = [dial(portOf(engine, "outbound")), dial(portOf(engine, "outbound"))];
    for (const client of clients) assert.equal(await exchange(client, "ping"), "ping");
    assert.deepEqual([first.sockets.size, second.sockets.size], [1, 1]);
    const ends = Promise.race(
      clients.map(async (client) => ({ client, end: await endOf(client) })),
    );
    await reroute([{ port: first.port, health: "UNHEALTHY" }, { port: second.port }]);
    const { client, end } = await ends;
    assert.equal(end.wasReset, true);
    const survivor = clients.find((other) => other !== client);
    assert.ok(survivor);
    assert.equal(await exchange(survivor, "still"), "still");
    assert.equal(second.sockets.size, 1);
    survivor.destroy();
  });

  test("keeps a connection to a host held for dead while it hears from it, until it falls silent", async () => {
    await using talker = await tcpServer(() => {});
    const talking = setInterval(() => {
      for (const socket of talker.sockets) socket.write("x");
    }, 50);
    await using other = await tcpServer(echo);
    await reroute([{ port: talker.port }]);
    const client = dial(portOf(engine, "outbound"));
    await heard(client, 1);
    await reroute([{ port: talker.port, health: "UNHEALTHY" }, { port: other.port }]);
    // 30 times 50 ms is longer than any silence is borne.
    await heard(client, 30);
    clearInterval(talking);
    assert.equal((await endOf(client)).wasReset, true);
  });

  test("lets in by a post-quantum handshake whom RBAC names, and nobody without a certificate of the mesh", async () => {
    const port = portOf(engine, "inbound");
    const friend = dialTls(port, {
      identity: await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/a"),
      sni,
    });
    assert.equal(await exchange(friend, "ping"), "ping");
    assert.match(JSON.stringify(friend.getEphemeralKeyInfo()), /X25519MLKEM768/);
    friend.destroy();
    const stranger = await testTrust();
    for (const caller of [
      await trust.identity("spiffe://north.acme.mesh/ns/shop/sa/a"),
      {
        ...(await stranger.identity("spiffe://west.acme.mesh/ns/shop/sa/a")),
        bundlePem: trust.bundlePem,
      },
      await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/a", {
        nowMs: Date.now() - 1_800_000,
        lifeMs: 120_000,
      }),
    ]) {
      const client = dialTls(port, { identity: caller, sni });
      client.on("secureConnect", () => client.write("let me in"));
      assert.equal((await endOf(client)).text, "");
    }
    const { refused } = engine.status().counters;
    assert.deepEqual([refused["not-allowed"], refused["handshake-failed"]], [1, 2]);
  });

  test("asks for a certificate each time: a ticket would outlive it, and be renewed for ever", async () => {
    const port = portOf(engine, "inbound");
    const caller = await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/a");
    const first = dialTls(port, { identity: caller, sni });
    let ticket: Buffer | undefined;
    first.on("session", (session) => {
      ticket = session;
    });
    assert.equal(await exchange(first, "ping"), "ping");
    first.destroy();
    const later = connectTls({
      port,
      host: "127.0.0.1",
      servername: sni,
      ca: caller.bundlePem,
      checkServerIdentity: () => undefined,
      ...(ticket === undefined ? {} : { session: ticket }),
    });
    const isReused = new Promise((resolve) => {
      later.once("secureConnect", () => resolve(later.isSessionReused()));
      later.once("error", () => resolve(false));
    });
    later.write("let me in");
    if (await isReused) later.destroy();
    assert.equal(await isReused, false);
    assert.equal((await endOf(later)).text, "");
  });

  test("renews its identity without touching a connection", async () => {
    await using cart = await mtlsServer(await trust.identity(cartId), echo);
    await reroute([{ port: cart.port, mtls: true }]);
    const out = dial(portOf(engine, "outbound"));
    const caller = await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/a");
    const inside = dialTls(portOf(engine, "inbound"), { identity: caller, sni });
    assert.deepEqual([await exchange(out, "1"), await exchange(inside, "1")], ["1", "1"]);
    const before = inside.getPeerCertificate().fingerprint256;
    const streamed = once(agent, "stream");
    identity.replace(await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/frontend"));
    await streamed;
    assert.deepEqual([await exchange(out, "2"), await exchange(inside, "2")], ["2", "2"]);
    const next = dialTls(portOf(engine, "inbound"), { identity: caller, sni });
    assert.equal(await exchange(next, "3"), "3");
    assert.notEqual(next.getPeerCertificate().fingerprint256, before);
    for (const socket of [out, inside, next]) socket.destroy();
  });

  test("passes a half-close on and still delivers the answer", async () => {
    await using server = await tcpServer((socket) => {
      socket.resume();
      socket.on("end", () => socket.end("all heard"));
    });
    await reroute([{ port: server.port }]);
    const client = dial(portOf(engine, "outbound"));
    client.end("question");
    assert.deepEqual(await endOf(client), { text: "all heard", wasReset: false });
  });

  test("turns a reset of the far side into a reset", async () => {
    await using server = await tcpServer((socket) =>
      socket.once("data", () => socket.resetAndDestroy()),
    );
    await reroute([{ port: server.port }]);
    const client = dial(portOf(engine, "outbound"));
    client.write("question");
    assert.deepEqual(await endOf(client), { text: "", wasReset: true });
  });

  test("passes a half-close on through mTLS, both out and in", async () => {
    await using cart = await mtlsServer(await trust.identity(cartId), (socket) => {
      socket.resume();
      socket.on("end", () => socket.end("all heard"));
    });
    await reroute([{ port: cart.port, mtls: true }]);
    const out = dial(portOf(engine, "outbound"));
    out.end("question");
    assert.deepEqual(await endOf(out), { text: "all heard", wasReset: false });
    const identity = await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/a");
    const inside = dialTls(portOf(engine, "inbound"), { identity, sni });
    inside.end("echo");
    assert.deepEqual(await endOf(inside), { text: "echo", wasReset: false });
  });

  test("moves bulk data both ways unharmed, plain and through mTLS", async () => {
    await reroute([{ port: app.port }]);
    const identity = await trust.identity("spiffe://west.acme.mesh/ns/shop/sa/a");
    const sent = randomBytes(16 * 1024 * 1024);
    for (const client of [
      dial(portOf(engine, "outbound")),
      dialTls(portOf(engine, "inbound"), { identity, sni }),
    ]) {
      const chunks: Buffer[] = [];
      client.on("data", (chunk: Buffer) => chunks.push(chunk));
      client.end(sent);
      await once(client, "end");
      assert.ok(Buffer.concat(chunks).equals(sent));
    }
  });

  test("holds back a sender whose receiver does not read", async () => {
    let sent = 0;
    await using server = await tcpServer((socket) => {
      const chunk = Buffer.alloc(65_536);
      const more = (): void => {
        while (socket.write(chunk)) sent += chunk.length;
      };
      socket.on("drain", more);
      more();
    });
    await reroute([{ port: server.port }]);
    const client = dial(portOf(engine, "outbound"));
    client.pause();
    await once(client, "connect");
    // Steady when two looks in a row see the same: kernel buffers are full and we hold no more.
    for (let before = -1; before !== sent || sent === 0; ) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes were taken`);
    const [chunk] = await once(client.resume(), "data");
    assert.ok(chunk.length > 0);
    client.destroy();
  });

  test("keeps serving without its agent and asks only for what changed when it is back", async () => {
    await reroute([{ port: app.port }]);
    const port = agent.port;
    agent.stop();
    const client = dial(portOf(engine, "outbound"));
    assert.equal(await exchange(client, "ping"), "ping");
    agent.requests.length = 0;
    const streamed = once(agent, "stream");
    await agent.listen(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"), port);
    await streamed;
    await agent.answered("listener");
    const clusters = agent.requests.find(({ typeUrl }) => typeUrl.endsWith("Cluster"));
    assert.deepEqual(Object.keys(clusters?.initialResourceVersions ?? {}).sort(), [
      "inbound|8080||10.0.0.7",
      outbound,
    ]);
    assert.equal(await exchange(client, "pong"), "pong");
    client.destroy();
  });
});

/** Resolves after so many bytes; throws when the connection ends before. */
async function heard(socket: Socket, bytes: number): Promise<void> {
  let left = bytes;
  for await (const [chunk] of on(socket, "data", { close: ["close"] })) {
    left -= (chunk as Buffer).length;
    if (left <= 0) return;
  }
  throw new Error(`The connection ended ${left} bytes early`);
}
