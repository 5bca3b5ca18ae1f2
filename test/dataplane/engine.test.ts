import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import type { Engine } from "../../src/dataplane/io/engine.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import { identitySource, type TestTrust, testTrust } from "./support/certificates.ts";
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
  hosts,
  listener,
  type TestResource,
  tcpProxy,
  upstreamTls,
  validation,
} from "./support/resources.ts";

const cartId = "spiffe://west.acme.mesh/ns/shop/sa/cart";
const cartTls = upstreamTls({ secret: "validation|shop/cart", sni: "cart" });

describe("an engine", () => {
  let trust: TestTrust;
  let agentIdentity: Identity;
  let identity: ReturnType<typeof identitySource>;
  let agent: FakeAgent;
  let engine: Engine;
  let app: TestServer;

  before(async () => {
    trust = await testTrust();
    agentIdentity = await trust.identity("spiffe://east.acme.mesh/isthmus/agent");
    identity = identitySource(await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/web"));
    app = await tcpServer(echo);
    agent = await FakeAgent.start(agentIdentity);
    agent.set(
      ...outbound("cart"),
      hosts("cart", [{ port: app.port }]),
      validation("validation|mesh", { bundlePem: trust.bundlePem }),
      validation("validation|shop/cart", { bundlePem: trust.bundlePem, uris: [cartId] }),
      cluster({
        name: "app",
        type: "STATIC",
        loadAssignment: {
          clusterName: "app",
          endpoints: [{ lbEndpoints: [{ endpoint: { address: address(app.port) } }] }],
        },
      }),
      inbound("spiffe://west.acme.mesh/", "spiffe://north.acme.mesh/"),
    );
    engine = startEngine({ agentPort: agent.port, identity });
    await engine.ready;
  });

  after(async () => {
    await engine.close();
    agent.stop();
    await app[Symbol.asyncDispose]();
  });

  function outbound(name: string, fields: object = {}): TestResource[] {
    return [
      edsCluster(name, fields as never),
      listener({
        name,
        address: address(0),
        filterChains: [{ filters: [tcpProxy(name, { maxConnectAttempts: 6 })] }],
      }),
    ];
  }

  function inbound(...prefixes: readonly string[]): TestResource {
    const rules = allow(...prefixes.map((prefix) => ({ prefix })));
    return listener({
      name: "inbound",
      address: address(0),
      filterChains: [{ transportSocket: downstreamTls(), filters: [rules, tcpProxy("app")] }],
    });
  }

  /** Sends one resource and waits for its answer. */
  async function push(resource: TestResource): Promise<string> {
    const answered = agent.answered(resource.type);
    agent.set(resource);
    return (await answered).refusal;
  }

  /** Waits until the engine listens under that name. */
  async function listens(name: string): Promise<number> {
    for (;;) {
      const found = engine.status().listeners.find((one) => one.name === name);
      if (found !== undefined) return found.address.port;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function ping(port: number): Promise<string> {
    const client = dial(port);
    try {
      return await exchange(client, "ping");
    } finally {
      client.destroy();
    }
  }

  test("refuses a bad update by name, keeps the last good one and takes the next", async () => {
    const bad = edsCluster("cart", { lbPolicy: "MAGLEV" });
    assert.match(
      await push(bad),
      /^Error adding\/updating cluster\(s\) cart: Cannot apply field lbPolicy: it /,
    );
    assert.equal(await ping(portOf(engine, "cart")), "ping");
    assert.equal(engine.status().counters.xdsNacks, 1);
    assert.equal(await push(edsCluster("cart", { connectTimeout: "0.3s" })), "");
    assert.equal(await ping(portOf(engine, "cart")), "ping");
  });

  test("opens a new listener only when its cluster is warm", async () => {
    const [late, door] = outbound("late");
    assert.ok(late && door);
    assert.equal(await push(late), "");
    assert.equal(await push(door), "");
    // The cluster's absence was answered with nothing: endpoints are known to be none.
    const port = await listens("late");
    assert.equal((await endOf(dial(port))).wasReset, true);
    assert.equal(await push(hosts("late", [{ port: app.port }])), "");
    assert.equal(await ping(port), "ping");
  });

  test("stops listening when the listener goes, and lets its connections live", async () => {
    const [gone, door] = outbound("gone");
    assert.ok(gone && door);
    agent.set(hosts("gone", [{ port: app.port }]));
    await push(gone);
    await push(door);
    const port = await listens("gone");
    const client = dial(port);
    assert.equal(await exchange(client, "ping"), "ping");
    const answered = agent.answered("listener");
    agent.remove("listener", "gone");
    await answered;
    while (engine.status().listeners.some(({ name }) => name === "gone"))
      await new Promise((resolve) => setImmediate(resolve));
    await assert.rejects(once(dial(port), "connect"), { code: "ECONNREFUSED" });
    assert.equal(await exchange(client, "pong"), "pong");
    client.destroy();
  });

  test("counts a host that takes TCP and never shakes hands as failed, and retries elsewhere", async () => {
    await using silent = await tcpServer(() => {});
    await using cart = await mtlsServer(await trust.identity(cartId), echo);
    await push(edsCluster("cart", { connectTimeout: "0.3s", transportSocket: cartTls }));
    await push(hosts("cart", [{ port: silent.port }], [{ port: cart.port }]));
    assert.equal(await ping(portOf(engine, "cart")), "ping");
    await push(edsCluster("cart"));
    await push(hosts("cart", [{ port: app.port }]));
  });

  test("limits connections to one service and leaves others alone", async () => {
    await push(edsCluster("cart", { circuitBreakers: { thresholds: [{ maxConnections: 1 }] } }));
    const first = dial(portOf(engine, "cart"));
    assert.equal(await exchange(first, "ping"), "ping");
    assert.deepEqual(await endOf(dial(portOf(engine, "cart"))), { text: "", wasReset: true });
    assert.equal(engine.status().counters.refused["over-limit"], 1);
    assert.equal(await exchange(first, "pong"), "pong");
    first.destroy();
    await push(edsCluster("cart"));
  });

  test("closes callers that RBAC no longer names, and no others", async () => {
    const port = portOf(engine, "inbound");
    const kept = dialTls(port, {
      identity: await trust.identity("spiffe://west.acme.mesh/ns/a/sa/b"),
      sni: "x",
    });
    const denied = dialTls(port, {
      identity: await trust.identity("spiffe://north.acme.mesh/ns/a/sa/b"),
      sni: "x",
    });
    assert.deepEqual([await exchange(kept, "1"), await exchange(denied, "1")], ["1", "1"]);
    const ended = endOf(denied);
    await push(inbound("spiffe://west.acme.mesh/"));
    assert.deepEqual(await ended, { text: "", wasReset: true });
    assert.equal(await exchange(kept, "2"), "2");
    kept.destroy();
  });

  test("closes connections to an identity that left the validation context", async () => {
    await using cart = await mtlsServer(await trust.identity(cartId), echo);
    await push(edsCluster("cart", { transportSocket: cartTls }));
    await push(hosts("cart", [{ port: cart.port }]));
    const client = dial(portOf(engine, "cart"));
    assert.equal(await exchange(client, "ping"), "ping");
    const ended = endOf(client);
    await push(
      validation("validation|shop/cart", {
        bundlePem: trust.bundlePem,
        uris: ["spiffe://west.acme.mesh/ns/shop/sa/other"],
      }),
    );
    assert.deepEqual(await ended, { text: "", wasReset: true });
    assert.equal((await endOf(dial(portOf(engine, "cart")))).wasReset, true);
    await push(validation("validation|shop/cart", { bundlePem: trust.bundlePem, uris: [cartId] }));
    await push(edsCluster("cart"));
    await push(hosts("cart", [{ port: app.port }]));
  });

  test("judges a server by the names that count when its handshake ends", async () => {
    await using cart = await mtlsServer(await trust.identity(cartId), echo);
    // Holds every hello back until it is told to pass it on.
    const letGo = Promise.withResolvers<void>();
    await using slow = await tcpServer((socket) => {
      letGo.promise.then(() => socket.pipe(dial(cart.port)).pipe(socket)).catch(() => {});
    });
    await push(edsCluster("cart", { transportSocket: cartTls }));
    await push(hosts("cart", [{ port: slow.port }]));
    const client = dial(portOf(engine, "cart"));
    const ended = endOf(client);
    client.write("ping");
    while (slow.sockets.size === 0) await new Promise((resolve) => setImmediate(resolve));
    await push(
      validation("validation|shop/cart", {
        bundlePem: trust.bundlePem,
        uris: ["spiffe://west.acme.mesh/ns/shop/sa/other"],
      }),
    );
    letGo.resolve();
    client.on("data", () => client.destroy());
    assert.deepEqual(await ended, { text: "", wasReset: true });
    await push(validation("validation|shop/cart", { bundlePem: trust.bundlePem, uris: [cartId] }));
    await push(edsCluster("cart"));
    await push(hosts("cart", [{ port: app.port }]));
  });

  test("judges a caller by the rules that count when its handshake ends", async () => {
    await push(inbound("spiffe://west.acme.mesh/", "spiffe://north.acme.mesh/"));
    const port = await listens("inbound");
    const letGo = Promise.withResolvers<void>();
    // The client's last flight waits, as a denied member's might.
    await using slow = await tcpServer((socket) => {
      const far = dial(port);
      far.pipe(socket);
      let isHello = true;
      socket.on("data", (chunk: Buffer) => {
        if (!isHello) return void letGo.promise.then(() => far.write(chunk));
        isHello = false;
        far.write(chunk);
      });
      far.on("close", () => socket.destroy());
    });
    const client = dialTls(slow.port, {
      identity: await trust.identity("spiffe://north.acme.mesh/ns/a/sa/b"),
      sni: "x",
    });
    await once(client, "secureConnect");
    await push(inbound("spiffe://west.acme.mesh/"));
    client.write("ping");
    letGo.resolve();
    client.on("data", () => client.destroy());
    assert.equal((await endOf(client)).text, "");
    assert.ok((engine.status().counters.refused["not-allowed"] ?? 0) > 0);
  });

  test("never speaks TLS to a service whose validation context names nobody", async () => {
    await using cart = await mtlsServer(await trust.identity(cartId), echo);
    await push(validation("validation|shop/cart", { bundlePem: trust.bundlePem }));
    await push(edsCluster("cart", { transportSocket: cartTls }));
    await push(hosts("cart", [{ port: cart.port }]));
    assert.equal((await endOf(dial(portOf(engine, "cart")))).wasReset, true);
    assert.equal(engine.status().counters.refused["no-validation"], 1);
    await push(edsCluster("cart"));
    await push(hosts("cart", [{ port: app.port }]));
  });

  test("names the listener and the port that is taken, and takes it when it is free", async () => {
    await using squatter = await tcpServer(() => {});
    const { port } = squatter;
    await using other = await FakeAgent.start(agentIdentity);
    other.set(
      edsCluster("c"),
      hosts("c", [{ port: app.port }]),
      listener({ name: "c", address: address(port), filterChains: [{ filters: [tcpProxy("c")] }] }),
    );
    await using second = startEngine({ agentPort: other.port, identity });
    const text = `Cannot listen on 127.0.0.1:${port} for listener "c": the port is taken`;
    await assert.rejects(second.ready, { code: "MESH_LISTEN_FAILED", message: text });
    await squatter[Symbol.asyncDispose]();
    while (second.status().listeners.length === 0)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await ping(port), "ping");
  });

  test("takes no configuration from anybody but its agent", async () => {
    await using impostor = await FakeAgent.start(
      await trust.identity("spiffe://west.acme.mesh/isthmus/agent"),
    );
    const { promise, resolve } = Promise.withResolvers<string>();
    const log = {
      debug: () => {},
      info: () => {},
      error: () => {},
      warn: (fields: object) => resolve(JSON.stringify(fields)),
    };
    await using second = startEngine({ agentPort: impostor.port, identity, log });
    assert.match(
      await promise,
      /the agent is spiffe:\/\/west.acme.mesh\/isthmus\/agent, not spiffe:\/\/east.acme.mesh/,
    );
    assert.deepEqual([second.status().isConnected, impostor.requests.length], [false, 0]);
  });

  test("drains: no new connections, old ones end by themselves, the rest are reset at the deadline", async () => {
    await using other = await FakeAgent.start(agentIdentity);
    other.set(
      edsCluster("c"),
      hosts("c", [{ port: app.port }]),
      listener({ name: "c", address: address(0), filterChains: [{ filters: [tcpProxy("c")] }] }),
    );
    const second = startEngine({ agentPort: other.port, identity });
    await second.ready;
    const port = portOf(second, "c");
    const [quick, stuck] = [dial(port), dial(port)];
    assert.deepEqual([await exchange(quick, "1"), await exchange(stuck, "1")], ["1", "1"]);
    const ended = endOf(stuck);
    const drained = second.drain(300);
    await assert.rejects(once(dial(port), "connect"), { code: "ECONNREFUSED" });
    assert.equal(await exchange(quick, "2"), "2");
    quick.end();
    assert.deepEqual(await endOf(quick), { text: "", wasReset: false });
    assert.deepEqual(await ended, { text: "", wasReset: true });
    await drained;
  });
});
