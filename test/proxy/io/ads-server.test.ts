import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { resource } from "../../xds/harness.ts";
import {
  type Agent,
  deafClient,
  dial,
  identityOf,
  Stream,
  sidecarId,
  startAgent,
} from "./fixture.ts";

async function sidecar(agent: Agent): Promise<ReturnType<typeof dial>> {
  return dial(agent, await identityOf(agent.mesh.east, { mesh: agent.mesh, id: sidecarId }));
}

function put(agent: Agent, name: string, body: string): void {
  const upserts = [resource({ type: "endpoint", name }, body)];
  agent.set.apply({ upserts, removed: [] });
}

describe("AdsServer", () => {
  test("serves a sidecar over mTLS and shows what it holds", async () => {
    await using agent = await startAgent();
    using client = await sidecar(agent);
    using stream = new Stream(client);
    agent.set.apply({ upserts: [resource({ type: "cluster", name: "a" }, "1")], removed: [] });
    stream.send("cluster");
    const response = await stream.next();
    assert.deepEqual(
      response.resources.map(({ name }) => name),
      ["a"],
    );
    stream.ack(response);
    stream.send("endpoint", { resourceNamesSubscribe: ["a"] });
    assert.deepEqual((await stream.next()).removedResources, ["a"]);
    const [proxy] = agent.ads.proxies();
    assert.equal(proxy?.nodeId, "sidecar/shop/cart-1/x");
    assert.equal(proxy?.peer?.id, sidecarId);
    const held = agent.ads.heldBy("sidecar/shop/cart-1/x");
    assert.deepEqual(
      held?.map(({ type, name, state }) => [type, name, state]),
      [["cluster", "a", "acked"]],
    );
    assert.equal(agent.ads.heldBy("nobody"), undefined);
  });

  test("sends all edits of one turn together", async () => {
    await using agent = await startAgent();
    using client = await sidecar(agent);
    using stream = new Stream(client);
    stream.send("endpoint", { resourceNamesSubscribe: ["a", "b"] });
    assert.equal((await stream.next()).removedResources.length, 2);
    put(agent, "a", "1");
    put(agent, "b", "1");
    put(agent, "a", "2");
    const response = await stream.next();
    assert.deepEqual(
      response.resources.map(({ name }) => name),
      ["a", "b"],
    );
    put(agent, "a", "3");
    assert.equal((await stream.next()).resources.length, 1);
  });

  test("holds streams until the agent is warm", async () => {
    let isWarm = false;
    await using agent = await startAgent({ isWarm: () => isWarm });
    using client = await sidecar(agent);
    using stream = new Stream(client);
    stream.send("cluster");
    // A second call on the same connection is answered, so the first has arrived by then.
    using probe = new Stream(client);
    probe.raw(Uint8Array.of(0xff));
    assert.equal((await probe.ended).code, status.INVALID_ARGUMENT);
    assert.deepEqual(agent.ads.proxies(), []);
    assert.equal(stream.waiting, 0);
    isWarm = true;
    agent.ads.wake();
    assert.equal((await stream.next()).resources.length, 0);
  });

  test("lets streams in at its pace, and all in the end", async () => {
    await using agent = await startAgent({ admission: { perSecond: 100, burst: 1 } });
    using client = await sidecar(agent);
    const streams = Array.from({ length: 5 }, () => new Stream(client));
    for (const stream of streams) stream.send("cluster");
    const answers = await Promise.all(streams.map((stream) => stream.next()));
    assert.equal(answers.length, 5);
    for (const stream of streams) stream[Symbol.dispose]();
  });

  test("ends a stream whose node is refused, with the reason", async () => {
    await using agent = await startAgent({
      admit: (node, peer) => ({ t: "refused", reason: `${node.id} is not ${peer?.id}` }),
    });
    using client = await sidecar(agent);
    using stream = new Stream(client);
    stream.send("cluster");
    const end = await stream.ended;
    assert.equal(end.code, status.PERMISSION_DENIED);
    assert.equal(end.details, `sidecar/shop/cart-1/x is not ${sidecarId}`);
  });

  test("outlives an admission that fails", async () => {
    await using agent = await startAgent({
      admit: () => {
        throw new Error("bug");
      },
    });
    using client = await sidecar(agent);
    using stream = new Stream(client);
    stream.send("cluster");
    assert.equal((await stream.ended).code, status.INTERNAL);
    assert.equal(agent.lines[0]?.level, "error");
  });

  test("ends a stream that sends junk, and no other", async () => {
    await using agent = await startAgent();
    using client = await sidecar(agent);
    using good = new Stream(client);
    using bad = new Stream(client);
    good.send("cluster");
    bad.send("cluster");
    await Promise.all([good.next(), bad.next()]);
    bad.raw(Uint8Array.of(0x12, 0x7f));
    assert.equal((await bad.ended).code, status.INVALID_ARGUMENT);
    put(agent, "a", "1");
    good.send("endpoint", { resourceNamesSubscribe: ["a"] });
    assert.equal((await good.next()).resources.length, 1);
  });

  test("tells who owns the view when the stream is gone, once", async () => {
    let closed = 0;
    const gone = Promise.withResolvers<void>();
    await using agent = await startAgent({
      admit: () => ({
        t: "ok",
        view: { sets: [] },
        onClose: () => {
          closed += 1;
          gone.resolve();
        },
      }),
    });
    using client = await sidecar(agent);
    using stream = new Stream(client);
    stream.send("cluster");
    await stream.next();
    stream.close();
    await gone.promise;
    await stream.ended;
    assert.equal(closed, 1);
    assert.deepEqual(agent.ads.proxies(), []);
  });

  test("shows and logs what a proxy refused", async () => {
    const nacks: string[] = [];
    const seen = Promise.withResolvers<void>();
    await using agent = await startAgent({
      observer: {
        onNack: (nodeId, type, nack) => {
          nacks.push(`${nodeId} ${type} ${nack.names.join()} ${nack.message}`);
          seen.resolve();
        },
      },
    });
    using client = await sidecar(agent);
    using stream = new Stream(client);
    put(agent, "a", "1");
    stream.send("endpoint", { resourceNamesSubscribe: ["a"] });
    stream.ack(await stream.next(), "not with me");
    await seen.promise;
    assert.deepEqual(nacks, ["sidecar/shop/cart-1/x endpoint a not with me"]);
    assert.equal(agent.ads.proxies()[0]?.types[0]?.refused, 1);
    assert.equal(agent.lines.at(-1)?.message, "Proxy refused configuration");
  });

  test("a client that gives no answers misses what is outdated, and gets the newest state when it does", async () => {
    await using agent = await startAgent();
    using slowClient = await sidecar(agent);
    using client = await sidecar(agent);
    using slow = new Stream(slowClient);
    using good = new Stream(client);
    for (const stream of [slow, good]) {
      stream.send("endpoint", { resourceNamesSubscribe: ["a"] });
      stream.ack(await stream.next());
    }
    const updates = 40;
    for (let version = 1; version <= updates; version += 1) {
      put(agent, "a", String(version));
      const response = await good.next();
      assert.equal(bodyOf(response), String(version));
      good.ack(response);
    }
    const received: string[] = [];
    while (received.at(-1) !== String(updates)) {
      const response = await slow.next();
      received.push(bodyOf(response));
      slow.ack(response);
    }
    assert.ok(received.length < 20, `${received.length} responses were queued`);
  });

  test("a client that takes no bytes has one write waiting, and holds up nobody", async () => {
    const sentTo: string[] = [];
    await using agent = await startAgent({ observer: { onSent: (type) => sentTo.push(type) } });
    const identity = await identityOf(agent.mesh.east, { mesh: agent.mesh, id: sidecarId });
    await using stuck = await deafClient(agent, identity);
    using client = dial(agent, identity);
    using good = new Stream(client);
    good.send("endpoint", { resourceNamesSubscribe: ["big"] });
    good.ack(await good.next());
    stuck.send("endpoint", { resourceNamesSubscribe: ["big"] });
    await until(() => agent.ads.proxies().length === 2 && sentTo.length === 2);
    const updates = 40;
    for (let version = 1; version <= updates; version += 1) {
      // More than a window of 64 kB: a write ends only when the client reads.
      put(agent, "big", String(version).padEnd(100_000));
      const response = await good.next();
      assert.equal(bodyOf(response), String(version));
      good.ack(response);
    }
    assert.ok(sentTo.length <= 2 + updates + 2, `${sentTo.length} responses were written`);
  });
});

describe("AdsServer without TLS", () => {
  test("refuses a connection that proved nothing", async () => {
    await using agent = await startAgent({ peerOf: () => undefined });
    using client = await sidecar(agent);
    using stream = new Stream(client);
    stream.send("cluster");
    assert.equal((await stream.ended).code, status.UNAUTHENTICATED);
  });
});

function bodyOf(response: Awaited<ReturnType<Stream["next"]>>): string {
  const value = response.resources[0]?.resource?.value ?? new Uint8Array();
  return Buffer.from(value).toString().trim();
}

/** Waits for a state of the server that no client can see. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await setImmediate();
}
