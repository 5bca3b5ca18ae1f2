import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import type { Engine } from "../../src/dataplane/io/engine.ts";
import type { LoadError } from "../../src/telemetry/load/fields.ts";
import { identitySource, type TestTrust, testTrust } from "./support/certificates.ts";
import { FakeAgent } from "./support/fake-agent.ts";
import type { FakeLoads } from "./support/fake-loads.ts";
import {
  dial,
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
  edsCluster,
  extension,
  hosts,
  listener,
  type TestHost,
  tcpProxy,
  upstreamTls,
  validation,
} from "./support/resources.ts";

const outbound = "outbound|80||cart.shop.svc.cluster.local";
const sni = "outbound_.80_._.cart.shop.svc.cluster.local";
const cartId = "spiffe://west.acme.mesh/ns/shop/sa/cart";

describe("load reports of an engine", () => {
  let trust: TestTrust;
  let agent: FakeAgent;
  let engine: Engine;
  let cart: TestServer;
  let loads: FakeLoads;

  before(async () => {
    trust = await testTrust();
    cart = await mtlsServer(await trust.identity(cartId), echo);
    agent = await FakeAgent.start(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"));
    loads = agent.loads;
    agent.set(
      edsCluster(outbound, {
        transportSocketMatches: [
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
        ],
      }),
      hosts(outbound, [{ port: cart.port, mtls: true }]),
      validation("validation|shop/cart", { bundlePem: trust.bundlePem, uris: [cartId] }),
      listener({
        name: "outbound",
        address: address(0),
        filterChains: [{ filters: [tcpProxy(outbound, { maxConnectAttempts: 2 })] }],
      }),
    );
    const identity = identitySource(await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/a"));
    engine = startEngine({ agentPort: agent.port, identity });
    await engine.ready;
    // What happens before the agent asks is not reported.
    await loads.until(() => loads.reports > 0, "the first, empty report");
  });

  after(async () => {
    await engine.close();
    agent.stop();
    await cart[Symbol.asyncDispose]();
  });

  async function reroute(...levels: (readonly TestHost[])[]): Promise<void> {
    const answered = agent.answered("endpoint");
    agent.set(hosts(outbound, ...levels));
    assert.equal((await answered).refusal, "");
  }

  async function deadPort(): Promise<number> {
    await using server = await tcpServer(() => {});
    return server.port;
  }

  const client = (): Socket => dial(portOf(engine, "outbound"));

  test("a connection: begun, stood, first byte, payload both ways, open, ended well", async () => {
    const socket = client();
    assert.equal(await exchange(socket, "ping"), "ping");
    await loads.until(() => loads.field("z0", "bytesIn") === 4, "four bytes");
    assert.equal(loads.field("z0", "active"), 1);
    assert.equal(loads.field("z0", "ok"), 0);
    assert.equal(await exchange(socket, "x".repeat(5000)), "x".repeat(5000));
    socket.end();
    await endOf(socket);
    await loads.until(() => loads.field("z0", "ok") === 1, "its end");
    assert.deepEqual(
      (["issued", "ok", "active", "bytesIn", "bytesOut"] as const).map((field) =>
        loads.field("z0", field),
      ),
      [1, 1, 0, 5004, 5004],
    );
    assert.equal(loads.counted("z0", "connect"), 1);
    assert.equal(loads.counted("z0", "firstByte"), 1);
  });

  test("a host that refuses counts where it stands, and the one that serves where that stands", async () => {
    const before = loads.field("z1", "ok");
    await reroute([{ port: await deadPort(), mtls: true }], [{ port: cart.port, mtls: true }]);
    const socket = client();
    assert.equal(await exchange(socket, "ping"), "ping");
    socket.end();
    await endOf(socket);
    await loads.until(() => loads.field("z1", "ok") === before + 1, "the second attempt");
    assert.equal(loads.errors("z0", "refused"), 1);
    assert.equal(loads.field("z0", "active"), 0);
  });

  /** One connection to a host of that kind. */
  async function fails(kind: LoadError, serve: (socket: Socket) => void): Promise<void> {
    await using server = await tcpServer(serve);
    await reroute([{ port: server.port, mtls: true }]);
    const before = loads.errors("z0", kind);
    const socket = client();
    await endOf(socket);
    await loads.until(() => loads.errors("z0", kind) > before, kind);
    assert.equal(loads.errors("z0", kind), before + 1);
    await loads.until(() => loads.field("z0", "active") === 0, "nothing open");
  }

  test("a host that says nothing is a timeout", () => fails("timeout", () => {}));

  test("a host that hangs up in the handshake is an error of TLS", () =>
    fails("tls", (socket) => socket.once("data", () => socket.destroy())));

  test("without a host the whole cluster dropped it", async () => {
    await reroute();
    await endOf(client());
    await loads.until(() => loads.errors(undefined, "no-host") >= 1, "no-host");
  });

  test("an upstream that breaks an open connection is told from a caller that does", async () => {
    await reroute([{ port: cart.port, mtls: true }]);
    const broken = client();
    await exchange(broken, "ping");
    [...cart.sockets].at(-1)?.resetAndDestroy();
    await endOf(broken);
    await loads.until(() => loads.errors("z0", "reset") === 1, "reset");
    const leaver = client();
    await exchange(leaver, "ping");
    leaver.resetAndDestroy();
    await loads.until(() => loads.errors("z0", "aborted") === 1, "aborted");
    assert.equal(loads.errors("z0", "reset"), 1);
  });

  test("a connection whose host falls is cut by the proxy, not by the upstream", async () => {
    await reroute([{ port: cart.port, mtls: true }], [{ port: cart.port + 1, mtls: true }]);
    const socket = client();
    await exchange(socket, "ping");
    const ended = endOf(socket);
    await reroute(
      [{ port: cart.port, mtls: true, health: "UNHEALTHY" }],
      [{ port: cart.port + 1, mtls: true }],
    );
    await ended;
    await loads.until(() => loads.errors("z0", "cut") === 1, "cut");
  });

  test("an agent that comes back learns what is open, not what it missed", async () => {
    await reroute([{ port: cart.port, mtls: true }]);
    const socket = client();
    await exchange(socket, "ping");
    await loads.until(() => loads.field("z0", "active") === 1, "one open");
    const { port, loads: old } = agent;
    agent.stop();
    const begun = old.field("z0", "issued");
    const missed = client();
    await exchange(missed, "ping");
    missed.end();
    await endOf(missed);
    const streams = loads.streams;
    await agent.listen(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"), port);
    await loads.until(() => loads.streams > streams && loads.reports > 0, "a new stream");
    const reports = loads.reports;
    await loads.until(() => loads.reports > reports, "a report");
    assert.equal(loads.field("z0", "active"), 1);
    assert.equal(loads.field("z0", "issued"), begun);
    socket.destroy();
    await once(socket, "close");
  });
});
