import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Bench, requestOf, resource, type Seen, shapes } from "./harness.ts";

const graceMs = 5000;

function only(responses: readonly Seen[]): Seen {
  assert.equal(responses.length, 1);
  const [response] = responses;
  assert.ok(response);
  return response;
}

describe("subscription", () => {
  test("a first request without names is the wildcard of clusters and listeners", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1", b: "1" });
    bench.put("listener", { l: "1" });
    assert.deepEqual(shapes(bench.settle(bench.ask("cluster"))), ["cluster+a,b"]);
    assert.deepEqual(shapes(bench.ask("listener")), ["listener+l"]);
  });

  for (const type of ["endpoint", "secret", "route"] as const) {
    test(`a first request without names subscribes to no ${type}`, () => {
      const bench = new Bench();
      bench.put(type, { a: "1" });
      assert.deepEqual(bench.ask(type), []);
    });
  }

  test("a first wildcard request is answered even if there is nothing, because a client waits for it", () => {
    const bench = new Bench();
    const answer = only(bench.ask("cluster"));
    assert.deepEqual(shapes([answer]), ["cluster"]);
    assert.deepEqual(bench.ack(answer), []);
  });

  test("an empty list after a name was subscribed is not a wildcard", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1", b: "1" });
    assert.deepEqual(shapes(bench.ask("cluster", { subscribe: ["a"] })), ["cluster+a"]);
    assert.deepEqual(bench.ask("cluster"), []);
    assert.deepEqual(bench.ask("cluster", { unsubscribe: ["a"] }), []);
    bench.put("cluster", { a: "2", b: "2" });
    assert.deepEqual(bench.drain(), []);
  });

  test("`*` is the wildcard, and ends with its own unsubscription", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1", b: "1" });
    assert.deepEqual(shapes(bench.ask("cluster", { subscribe: ["*"] })), ["cluster+a,b"]);
    assert.deepEqual(bench.ask("cluster", { unsubscribe: ["*"] }), []);
    bench.put("cluster", { a: "2" });
    assert.deepEqual(bench.drain(), []);
  });

  test("`*` subscribed and unsubscribed in one request means nothing at all", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1" });
    assert.deepEqual(bench.ask("cluster", { subscribe: ["*"], unsubscribe: ["*"] }), []);
    bench.put("cluster", { a: "2" });
    assert.deepEqual(bench.drain(), []);
  });

  test("the legacy wildcard and a name hold together until `*` is unsubscribed", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1", b: "1" });
    bench.settle(bench.ask("cluster"));
    bench.settle(bench.ask("cluster", { subscribe: ["a"] }));
    bench.put("cluster", { a: "2", b: "2" });
    assert.deepEqual(shapes(bench.settle(bench.drain())), ["cluster+a,b"]);
    bench.ask("cluster", { unsubscribe: ["*"] });
    bench.put("cluster", { a: "3", b: "3" });
    assert.deepEqual(shapes(bench.drain()), ["cluster+a"]);
  });

  test("every name subscribed is answered, even one the client should have", () => {
    const bench = new Bench();
    bench.put("endpoint", { a: "1" });
    assert.deepEqual(shapes(bench.ask("endpoint", { subscribe: ["a"] })), ["endpoint+a"]);
    assert.deepEqual(shapes(bench.ask("endpoint", { subscribe: ["a"] })), ["endpoint+a"]);
  });

  test("`*` subscribed again brings everything again", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1", b: "1" });
    bench.settle(bench.ask("cluster", { subscribe: ["*"] }));
    assert.deepEqual(shapes(bench.ask("cluster", { subscribe: ["*"] })), ["cluster+a,b"]);
  });

  test("an unknown name is answered as removed at once, and sent when it appears", () => {
    const bench = new Bench();
    assert.deepEqual(shapes(bench.ask("route", { subscribe: ["r"] })), ["route-r"]);
    bench.put("route", { r: "1" });
    assert.deepEqual(shapes(bench.drain()), ["route+r"]);
  });

  test("an unsubscribed name gets no answer and no more updates", () => {
    const bench = new Bench();
    bench.put("endpoint", { a: "1", b: "1" });
    bench.ask("endpoint", { subscribe: ["a", "b"] });
    assert.deepEqual(bench.ask("endpoint", { unsubscribe: ["a", "never"] }), []);
    bench.put("endpoint", { a: "2", b: "2" });
    assert.deepEqual(shapes(bench.drain()), ["endpoint+b"]);
  });

  test("a name unsubscribed under a wildcard is answered with the resource, or as removed", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1" });
    bench.settle(bench.ask("cluster"));
    bench.settle(bench.ask("cluster", { subscribe: ["a", "ghost"] }));
    const answer = bench.ask("cluster", { unsubscribe: ["a", "ghost", "never"] });
    assert.deepEqual(shapes(answer), ["cluster+a-ghost"]);
  });

  test("a forgotten name that is subscribed anew is answered", () => {
    const bench = new Bench();
    bench.put("endpoint", { a: "1" });
    bench.ask("endpoint", { subscribe: ["a"] });
    const answer = bench.ask("endpoint", { unsubscribe: ["a"], subscribe: [] });
    assert.deepEqual(answer, []);
    assert.deepEqual(shapes(bench.ask("endpoint", { subscribe: ["a"] })), ["endpoint+a"]);
  });

  test("a subscription counts even beside a stale nonce", () => {
    const bench = new Bench();
    bench.put("endpoint", { a: "1", b: "1" });
    bench.ask("endpoint", { subscribe: ["a"] });
    assert.deepEqual(shapes(bench.ask("endpoint", { subscribe: ["b"], nonce: "999" })), [
      "endpoint+b",
    ]);
  });

  test("what is in the set twice over comes once, from the first set", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1" });
    const answer = only(bench.ask("cluster"));
    assert.equal(answer.bodies.get("a"), "1");
  });

  test("a stream that wants too many names is ended", () => {
    const bench = new Bench();
    const many = (from: number): string[] =>
      Array.from({ length: 20_000 }, (_, i) => `n${from + i}`);
    for (const from of [0, 20_000]) {
      const request = { ...requestFor(many(from)) };
      assert.equal(bench.session.request(request, 0).t, "ok");
    }
    assert.equal(bench.session.request(requestFor(many(40_000)), 0).t, "refused");
  });

  test("a type that is not served is ignored", () => {
    const bench = new Bench();
    const request = {
      ...requestFor(["x"]),
      typeUrl: "type.googleapis.com/envoy.service.runtime.v3.Runtime",
    };
    assert.equal(bench.session.request(request, 0).t, "foreign");
    assert.deepEqual(bench.drain(), []);
  });
});

describe("reconnect", () => {
  const versionsOf = (response: Seen): Map<string, string> => new Map(response.versions);

  test("what the client kept is not sent again, what changed is, what vanished is removed", () => {
    const first = new Bench();
    first.put("cluster", { same: "1", changed: "1", gone: "1" });
    const initialVersions = versionsOf(only(first.ask("cluster")));
    const bench = new Bench();
    bench.put("cluster", { same: "1", changed: "2" });
    assert.deepEqual(shapes(bench.settle(bench.ask("cluster", { initialVersions }))), [
      "cluster+changed",
    ]);
    bench.nowMs += graceMs;
    assert.deepEqual(shapes(bench.drain()), ["cluster-gone"]);
  });

  test("a client that kept everything still gets its first wildcard answer", () => {
    const first = new Bench();
    first.put("listener", { l: "1" });
    const initialVersions = versionsOf(only(first.ask("listener")));
    const bench = new Bench();
    bench.put("listener", { l: "1" });
    assert.deepEqual(shapes(bench.ask("listener", { initialVersions })), ["listener"]);
  });

  test("endpoints are sent whatever the client kept, because it may be warming", () => {
    const first = new Bench();
    first.put("endpoint", { a: "1" });
    const initialVersions = versionsOf(only(first.ask("endpoint", { subscribe: ["a"] })));
    const bench = new Bench();
    bench.put("endpoint", { a: "1" });
    const answer = bench.ask("endpoint", { subscribe: ["a"], initialVersions });
    assert.deepEqual(shapes(answer), ["endpoint+a"]);
  });

  for (const type of ["secret", "route"] as const) {
    test(`a ${type} that the client kept is not sent again`, () => {
      const first = new Bench();
      first.put(type, { a: "1" });
      const initialVersions = versionsOf(only(first.ask(type, { subscribe: ["a"] })));
      const bench = new Bench();
      bench.put(type, { a: "1" });
      assert.deepEqual(bench.ask(type, { subscribe: ["a"], initialVersions }), []);
    });
  }

  test("versions beside a later request are no news", () => {
    const bench = new Bench();
    bench.put("cluster", { a: "1" });
    bench.settle(bench.ask("cluster"));
    assert.deepEqual(bench.ask("cluster", { initialVersions: new Map([["a", "other"]]) }), []);
    assert.deepEqual(bench.ask("cluster", { initialVersions: new Map([["b", "1"]]) }), []);
  });

  test("an agent that does not know all yet removes nothing and sends no poorer endpoints", () => {
    let isSettled = false;
    const bench = new Bench({ view: { isSettled: () => isSettled } });
    bench.put("cluster", { a: "1" });
    bench.put("endpoint", { a: "poor" });
    const clusters = {
      initialVersions: new Map([
        ["a", "old"],
        ["gone", "old"],
      ]),
    };
    const endpoints = { subscribe: ["a"], initialVersions: new Map([["a", "rich"]]) };
    const routes = { subscribe: ["r"], initialVersions: new Map([["r", "old"]]) };
    bench.put("cluster", { b: "1" });
    bench.put("endpoint", { b: "1" });
    assert.deepEqual(shapes(bench.settle(bench.ask("route", routes))), []);
    assert.deepEqual(shapes(bench.settle(bench.ask("endpoint", endpoints))), []);
    const answer = bench.settle(bench.ask("cluster", clusters));
    // The cluster changed, so the client warms it and needs its endpoints, poor or not.
    assert.deepEqual(shapes(answer), ["cluster+a,b", "endpoint+a"]);
    bench.nowMs += graceMs;
    assert.deepEqual(shapes(bench.drain()), []);
    isSettled = true;
    bench.session.resettle();
    assert.deepEqual(shapes(bench.settle(bench.drain())), ["route-r"]);
    bench.nowMs += graceMs;
    assert.deepEqual(shapes(bench.drain()), ["cluster-gone"]);
  });

  test("endpoints held back come when the agent knows all", () => {
    let isSettled = false;
    const bench = new Bench({ view: { isSettled: () => isSettled } });
    bench.put("endpoint", { a: "1" });
    const kept = { subscribe: ["a"], initialVersions: new Map([["a", "rich"]]) };
    assert.deepEqual(bench.ask("endpoint", kept), []);
    isSettled = true;
    bench.session.resettle();
    assert.deepEqual(shapes(bench.drain()), ["endpoint+a"]);
  });
});

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

function requestFor(subscribe: readonly string[]): Parameters<Bench["session"]["request"]>[0] {
  return requestOf("endpoint", { subscribe });
}

function resourceOf(
  type: Parameters<typeof resource>[0]["type"],
  name: string,
): ReturnType<typeof resource> {
  return resource({ type, name }, "fresh");
}
