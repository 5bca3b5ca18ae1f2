import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Bench, only, requestOf, resource, shapes } from "./harness.ts";

const graceMs = 2000;

describe("order", () => {
  const subscribed = (): Bench => {
    const bench = new Bench();
    for (const type of ["cluster", "listener"] as const) bench.settle(bench.ask(type));
    for (const type of ["endpoint", "secret", "route"] as const) {
      bench.settle(bench.ask(type, { subscribe: ["x", "y"] }));
    }
    return bench;
  };

  test("everything new goes out in the order that makes before it breaks", () => {
    const bench = subscribed();
    bench.set.apply({
      upserts: (["route", "listener", "secret", "endpoint", "cluster"] as const).map((type) =>
        resourceOf(type, "x"),
      ),
      removed: [],
    });
    const first = bench.drain();
    assert.deepEqual(shapes(first), ["cluster+x", "endpoint+x", "secret+x"]);
    assert.deepEqual(shapes(bench.settle(first)).slice(3), ["listener+x", "route+x"]);
  });

  test("listeners wait until the last part of the clusters was answered", () => {
    const bench = new Bench({ limits: { maxResponseBytes: 1000 } });
    const body = "x".repeat(300);
    bench.put("cluster", Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`c${i}`, body])));
    bench.put("listener", { l: "1" });
    bench.session.request(requestOf("cluster"), bench.nowMs);
    const parts = bench.ask("listener");
    assert.deepEqual(shapes(parts), ["cluster+c0,c1", "cluster+c2,c3", "cluster+c4,c5"]);
    const [first, second, third] = parts;
    assert.ok(first && second && third);
    assert.deepEqual(bench.ack(first), []);
    assert.deepEqual(bench.ack(second), []);
    assert.deepEqual(shapes(bench.ack(third)), ["listener+l"]);
  });

  test("clusters and endpoints leave last, after their listeners and routes and a grace", () => {
    const bench = subscribed();
    const types = ["cluster", "endpoint", "secret", "listener", "route"] as const;
    bench.set.apply({ upserts: types.map((type) => resourceOf(type, "x")), removed: [] });
    bench.settle(bench.drain());
    bench.set.apply({ upserts: [], removed: types.map((type) => ({ type, name: "x" })) });
    const listener = only(bench.drain());
    assert.deepEqual(shapes([listener]), ["listener-x"]);
    const route = only(bench.ack(listener));
    assert.deepEqual(shapes([route]), ["route-x"]);
    bench.nowMs += graceMs;
    // Not before the client has said that it let go of them.
    assert.deepEqual(bench.drain(), []);
    assert.deepEqual(bench.ack(route), []);
    const wakeAtMs = bench.session.wakeAtMs;
    assert.equal(wakeAtMs, bench.nowMs + graceMs);
    bench.nowMs = wakeAtMs;
    assert.deepEqual(shapes(bench.drain()), ["cluster-x", "endpoint-x", "secret-x"]);
  });

  test("a cluster that returns within its grace is never removed", () => {
    const bench = subscribed();
    bench.put("cluster", { a: "1" });
    bench.settle(bench.drain());
    bench.drop("cluster", "a");
    bench.drain();
    bench.nowMs += graceMs - 1;
    bench.put("cluster", { a: "1" });
    assert.deepEqual(bench.drain(), []);
    bench.drop("cluster", "a");
    assert.deepEqual(bench.drain(), []);
    bench.nowMs += graceMs - 1;
    assert.deepEqual(bench.drain(), [], "the grace starts anew");
    bench.nowMs += 1;
    assert.deepEqual(shapes(bench.drain()), ["cluster-a"]);
  });

  test("a cluster asked for by name again and gone before the answer leaves in the order of removals", () => {
    const bench = subscribed();
    bench.put("cluster", { a: "1" });
    bench.settle(bench.drain());
    bench.session.request(requestOf("cluster", { subscribe: ["a"] }), bench.nowMs);
    bench.drop("cluster", "a");
    assert.deepEqual(bench.drain(), []);
    bench.nowMs += graceMs;
    assert.deepEqual(shapes(bench.drain()), ["cluster-a"]);
  });

  test("a client that gives no answers gets no more than a bounded number of responses", () => {
    const bench = new Bench({ limits: { maxUnanswered: 4 } });
    bench.ask("endpoint", { subscribe: ["a"] });
    let sent = 1;
    for (let version = 0; version < 100; version += 1) {
      bench.put("endpoint", { a: String(version) });
      sent += bench.drain().length;
    }
    assert.equal(sent, 4);
  });

  test("after a wait the newest state is sent, not what was missed", () => {
    const bench = new Bench();
    bench.put("endpoint", { a: "1" });
    bench.ask("endpoint", { subscribe: ["a"] });
    for (let version = 2; version < 10; version += 1) bench.put("endpoint", { a: String(version) });
    assert.equal(only(bench.drain()).bodies.get("a"), "9");
    bench.put("endpoint", { a: "10" });
    bench.put("endpoint", { a: "9" });
    assert.deepEqual(bench.drain(), []);
  });
});

describe("refusal", () => {
  const protoError =
    'goo.gle/debugproto name: "b" … Proto constraint validation failed (ClusterValidationError)';

  test("a resource that is named is not sent again as it is; the others count as taken", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1", b: "1" });
    const response = only(bench.ask("cluster"));
    const error = "Error adding/updating cluster(s) b: Unknown lb policy";
    assert.deepEqual(bench.nack(response, error), []);
    const held = [...bench.session.heldResources()];
    assert.deepEqual(
      held.map(({ name, state }) => [name, state]),
      [
        ["a", "acked"],
        ["b", "refused"],
      ],
    );
    assert.deepEqual(bench.session.status()[0]?.lastNack?.names, ["b"]);
    bench.put("cluster", { b: "2" });
    assert.deepEqual(shapes(bench.drain()), ["cluster+b"]);
  });

  test("after a refusal that names nobody all of its resources come one by one", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1", b: "1", c: "1" });
    const singles = bench.nack(only(bench.ask("cluster")), protoError);
    assert.deepEqual(shapes(singles), ["cluster+a", "cluster+b", "cluster+c"]);
    const [a, b, c] = singles;
    assert.ok(a && b && c);
    bench.ack(a);
    assert.deepEqual(bench.nack(b, protoError), []);
    bench.ack(c);
    const states = Object.fromEntries(
      [...bench.session.heldResources()].map((r) => [r.name, r.state]),
    );
    assert.deepEqual(states, { a: "acked", b: "refused", c: "acked" });
    bench.put("cluster", { a: "2", c: "2" });
    assert.deepEqual(shapes(bench.drain()), ["cluster+a,c"]);
  });

  test("a refused resource stops no other type", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1" });
    bench.put("listener", { l: "1" });
    bench.session.request(requestOf("cluster"), bench.nowMs);
    const response = only(bench.ask("listener"));
    assert.deepEqual(shapes(bench.nack(response, "no")), ["listener+l"]);
  });

  test("a resource that goes back to its good version is sent", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "good" });
    bench.settle(bench.ask("cluster"));
    bench.put("cluster", { a: "bad" });
    bench.nack(only(bench.drain()), "no");
    bench.put("cluster", { a: "good" });
    assert.equal(only(bench.drain()).bodies.get("a"), "good");
  });

  test("a refused resource is sent again to a client that asks for it", () => {
    const bench = new Bench();
    bench.put("secret", { a: "1" });
    const response = only(bench.ask("secret", { subscribe: ["a"] }));
    assert.deepEqual(bench.nack(response, "no"), []);
    assert.deepEqual(shapes(bench.ask("secret", { subscribe: ["a"] })), ["secret+a"]);
  });

  test("an answer to an older response does not mark the newer one", () => {
    const bench = new Bench();
    bench.put("endpoint", { a: "1" });
    const older = only(bench.ask("endpoint", { subscribe: ["a"] }));
    bench.put("endpoint", { a: "2" });
    const newer = only(bench.drain());
    assert.deepEqual(bench.nack(older, "no"), []);
    assert.deepEqual(bench.ack(newer), []);
    assert.deepEqual(
      [...bench.session.heldResources()].map(({ state }) => state),
      ["acked"],
    );
  });

  test("removals in a response that was refused as a whole are sent again", () => {
    const bench = new Bench();
    bench.put("listener", { a: "1", b: "1" });
    bench.settle(bench.ask("listener"));
    bench.set.apply({
      upserts: [resourceOf("listener", "a")],
      removed: [{ type: "listener", name: "b" }],
    });
    const mixed = only(bench.drain());
    assert.deepEqual(shapes([mixed]), ["listener+a-b"]);
    assert.deepEqual(shapes(bench.nack(mixed, "no")), ["listener-b"]);
  });

  test("while a listener is refused, the clusters that its old version may use stay", () => {
    const bench = new Bench();
    bench.put("cluster", { old: "1" });
    bench.put("listener", { l: "to old" });
    bench.settle(bench.ask("cluster"));
    bench.settle(bench.ask("listener"));
    bench.put("cluster", { new: "1" });
    bench.drop("cluster", "old");
    bench.put("listener", { l: "to new" });
    const [cluster] = bench.drain();
    assert.ok(cluster);
    bench.nack(only(bench.ack(cluster)), "no");
    bench.nowMs += 10 * graceMs;
    assert.deepEqual(bench.drain(), []);
    bench.put("listener", { l: "to new, again" });
    bench.settle(bench.drain());
    bench.nowMs += graceMs;
    assert.deepEqual(shapes(bench.drain()), ["cluster-old"]);
  });

  test("a client that refuses everything is not sent anything for ever", () => {
    const bench = new Bench();
    bench.put("cluster", Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`c${i}`, "1"])));
    let count = 0;
    const queue = [...bench.ask("cluster")];
    for (const response of queue) {
      count += 1;
      assert.ok(count < 1000);
      queue.push(...bench.nack(response, "no"));
    }
    assert.equal(count, 51);
  });
});

function resourceOf(
  type: Parameters<typeof resource>[0]["type"],
  name: string,
): ReturnType<typeof resource> {
  return resource({ type, name }, "fresh");
}
