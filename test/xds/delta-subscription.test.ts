import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ResourceSet } from "../../src/xds/resource-set.ts";
import { Bench, only, requestOf, resource, type Seen, shapes } from "./harness.ts";

const graceMs = 2000;

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

  test("a name in two sets comes once, from the first; from the second when the first has it no more", () => {
    const [own, common] = [new ResourceSet("own"), new ResourceSet("common")];
    const bench = new Bench({ view: { sets: [own, common] } });
    const key = { type: "cluster", name: "a" } as const;
    common.apply({ upserts: [resource(key, "common")], removed: [] });
    own.apply({ upserts: [resource(key, "own")], removed: [] });
    assert.equal(only(bench.settle(bench.ask("cluster"))).bodies.get("a"), "own");
    own.apply({ upserts: [], removed: [key] });
    assert.equal(only(bench.drain()).bodies.get("a"), "common");
  });

  test("what one proxy has alone comes after what all have, so that they are told alike until then", () => {
    const [own, common] = [new ResourceSet("own"), new ResourceSet("common")];
    const bench = new Bench({ view: { sets: [own, common] } });
    const put = (set: ResourceSet, name: string): unknown =>
      set.apply({ upserts: [resource({ type: "cluster", name }, "1")], removed: [] });
    for (const name of ["a", "b"]) put(common, name);
    put(own, "inbound");
    assert.deepEqual(shapes(bench.ask("cluster")), ["cluster+a,b,inbound"]);
  });

  test("what is out of scope does not exist", () => {
    const bench = new Bench({ view: { isInScope: ({ name }) => name !== "secret" } });
    bench.put("cluster", { a: "1", secret: "1" });
    assert.deepEqual(shapes(bench.ask("cluster", { subscribe: ["*"] })), ["cluster+a"]);
    assert.deepEqual(shapes(bench.ask("cluster", { subscribe: ["secret"] })), ["cluster-secret"]);
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

function requestFor(subscribe: readonly string[]): Parameters<Bench["session"]["request"]>[0] {
  return requestOf("endpoint", { subscribe });
}
