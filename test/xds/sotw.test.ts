import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { ClusterLoadAssignmentSchema } from "../../src/xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { one, SotwBench, said } from "./sotw-harness.ts";

const graceMs = 5000;

describe("SotwSession", () => {
  test("clusters and listeners are told whole, everything else as what changed", () => {
    const bench = new SotwBench();
    bench.put("cluster", { a: "1", b: "1" });
    bench.put("endpoint", { a: "1", b: "1" });
    const clusters = one(bench.ask("cluster", []));
    assert.deepEqual(said([clusters]), ["cluster a=1 b=1"]);
    bench.ack(clusters, []);
    const endpoints = one(bench.ask("endpoint", ["a", "b"]));
    assert.deepEqual(said([endpoints]), ["endpoint a=1 b=1"]);
    bench.ack(endpoints, ["a", "b"]);
    bench.put("cluster", { b: "2" });
    bench.put("endpoint", { b: "2" });
    assert.deepEqual(said(bench.drain()), ["cluster a=1 b=2", "endpoint b=2"]);
  });

  test("what is told whole is never cut, and everything else is", () => {
    const bench = new SotwBench({}, { maxResponseBytes: 10 });
    bench.put("cluster", { a: "1", b: "1" });
    bench.put("endpoint", { a: "1", b: "1" });
    const clusters = one(bench.ask("cluster", ["a", "b"]));
    assert.deepEqual(said([clusters]), ["cluster a=1 b=1"]);
    bench.ack(clusters, ["a", "b"]);
    const first = one(bench.ask("endpoint", ["a", "b"]));
    assert.deepEqual(said([first]), ["endpoint a=1"]);
    assert.deepEqual(said(bench.ack(first, ["a", "b"])), ["endpoint b=1"]);
  });

  test("an endpoint's change costs that endpoint alone", () => {
    const bench = new SotwBench();
    const names = Array.from({ length: 100 }, (_, index) => `e${index}`);
    bench.put("endpoint", Object.fromEntries(names.map((name) => [name, "1"])));
    const first = one(bench.ask("endpoint", names));
    assert.equal(first.bodies.length, 100);
    bench.ack(first, names);
    bench.put("endpoint", { e7: "2" });
    assert.deepEqual(said(bench.drain()), ["endpoint e7=2"]);
  });

  test("a request with a stale nonce is left to be said again", () => {
    const bench = new SotwBench();
    bench.put("endpoint", { a: "1", b: "1" });
    const first = one(bench.ask("endpoint", ["a"]));
    // Sent before the first answer arrived.
    assert.deepEqual(bench.ask("endpoint", ["a", "b"]), []);
    assert.deepEqual(bench.ask("endpoint", ["a", "b"], { nonce: "of another stream" }), []);
    assert.deepEqual(said(bench.ack(first, ["a", "b"])), ["endpoint b=1"]);
  });

  test("a name asked for anew is answered, though it was sent before", () => {
    const bench = new SotwBench();
    bench.put("endpoint", { a: "1", b: "1" });
    const first = one(bench.ask("endpoint", ["a", "b"]));
    assert.deepEqual(bench.ack(first, ["a"]), []);
    const again = bench.ask("endpoint", ["a", "b"], { nonce: first.nonce });
    assert.deepEqual(said(again), ["endpoint b=1"]);
  });

  test("an empty list means all until the first name, and nothing from then on", () => {
    const bench = new SotwBench();
    bench.put("listener", { a: "1", b: "1" });
    const all = one(bench.ask("listener", []));
    assert.deepEqual(said([all]), ["listener a=1 b=1"]);
    const both = one(bench.ack(all, ["*", "a"]));
    assert.deepEqual(said([both]), ["listener a=1 b=1"]);
    const named = one([...bench.ack(both, ["a"]), both]);
    assert.equal(named, both, "what it has of the rest it drops by itself");
    bench.put("listener", { a: "2", b: "2" });
    const single = one(bench.drain());
    assert.deepEqual(said([single]), ["listener a=2"]);
    bench.ack(single, []);
    bench.put("listener", { a: "3", b: "3" });
    assert.deepEqual(bench.drain(), []);
  });

  test("what is gone is left out, and the last one leaves an empty response", () => {
    const bench = new SotwBench();
    bench.put("listener", { a: "1", b: "1" });
    const all = one(bench.ask("listener", ["a", "b"]));
    bench.ack(all, ["a", "b"]);
    bench.drop("listener", "a");
    const rest = one(bench.drain());
    assert.deepEqual(said([rest]), ["listener b=1"]);
    bench.ack(rest, ["a", "b"]);
    bench.drop("listener", "b");
    assert.deepEqual(said(bench.drain()), ["listener"]);
  });

  test("a name that does not exist is answered by the others, and sent when it appears", () => {
    const bench = new SotwBench();
    const none = one(bench.ask("listener", ["a"]));
    assert.deepEqual(said([none]), ["listener"]);
    assert.deepEqual(bench.ack(none, ["a"]), []);
    assert.deepEqual(bench.ask("secret", ["x"]), [], "there is no word for it");
    bench.put("listener", { a: "1" });
    bench.put("secret", { x: "1" });
    assert.deepEqual(said(bench.drain()), ["secret x=1", "listener a=1"]);
  });

  test("endpoints that do not exist are said to be none: a cluster waits for them", () => {
    const bench = new SotwBench();
    const none = one(bench.ask("endpoint", ["x"]));
    const [body = ""] = none.bodies;
    const assignment = fromBinary(ClusterLoadAssignmentSchema, Buffer.from(body));
    assert.equal(assignment.clusterName, "x");
    assert.deepEqual(assignment.endpoints, []);
    assert.deepEqual(bench.ack(none, ["x"]), []);
    bench.put("endpoint", { x: "1" });
    assert.deepEqual(said(bench.drain()), ["endpoint x=1"]);
  });

  test("endpoints go on while clusters wait for an answer, and come again when their cluster is newer", () => {
    const bench = new SotwBench();
    bench.put("cluster", { a: "1" });
    bench.put("endpoint", { a: "1" });
    const first = one(bench.ask("cluster", []));
    bench.put("cluster", { a: "2" });
    bench.put("endpoint", { a: "2" });
    const endpoints = one(bench.ask("endpoint", ["a"]));
    assert.deepEqual(said([endpoints]), ["endpoint a=2"]);
    assert.deepEqual(bench.ack(endpoints, ["a"]), []);
    assert.deepEqual(said(bench.ack(first, [])), ["cluster a=2", "endpoint a=2"]);
  });

  test("a cluster that is gone stays in what is told until its grace is over", () => {
    const bench = new SotwBench();
    bench.put("cluster", { a: "1", b: "1" });
    bench.ack(one(bench.ask("cluster", ["a", "b"])), ["a", "b"]);
    bench.drop("cluster", "a");
    assert.deepEqual(bench.drain(), []);
    bench.put("cluster", { b: "2" });
    const during = one(bench.drain());
    assert.deepEqual(said([during]), ["cluster a=1 b=2"]);
    bench.ack(during, ["a", "b"]);
    bench.nowMs += graceMs;
    assert.deepEqual(said(bench.drain()), ["cluster b=2"]);
  });

  test("listeners wait until the clusters were answered", () => {
    const bench = new SotwBench();
    bench.put("cluster", { a: "1" });
    bench.put("listener", { l: "1" });
    const clusters = one(bench.ask("cluster", []));
    assert.deepEqual(bench.ask("listener", []), []);
    assert.deepEqual(said(bench.ack(clusters, [])), ["listener l=1"]);
  });

  test("who says nothing gets nothing more of the type, and then the newest", () => {
    const bench = new SotwBench();
    bench.put("endpoint", { a: "1" });
    const first = one(bench.ask("endpoint", ["a"]));
    bench.put("endpoint", { a: "2" });
    assert.deepEqual(bench.drain(), []);
    bench.put("endpoint", { a: "3" });
    assert.deepEqual(said(bench.ack(first, ["a"])), ["endpoint a=3"]);
  });
});

describe("SotwSession and refusals", () => {
  const names = ["a", "b", "c"];
  const subscribed = (): SotwBench => {
    const bench = new SotwBench();
    bench.put("cluster", { a: "1", b: "1", c: "1" });
    bench.ack(one(bench.ask("cluster", names)), names);
    return bench;
  };

  test("a resource refused by index is told as it was last accepted", () => {
    const bench = subscribed();
    bench.put("cluster", { a: "2", b: "bad" });
    const response = one(bench.drain());
    assert.deepEqual(said([response]), ["cluster a=2 b=bad c=1"]);
    const error = "xDS response validation errors: [resource index 1: b: INVALID_ARGUMENT: bad]";
    assert.deepEqual(bench.nack(response, names, error), []);
    bench.put("cluster", { c: "2" });
    assert.deepEqual(said(bench.drain()), ["cluster a=2 b=1 c=2"]);
  });

  test("one that was never accepted is left out, until it changes", () => {
    const bench = new SotwBench();
    bench.put("cluster", { a: "bad", b: "1" });
    const response = one(bench.ask("cluster", names));
    bench.nack(response, names, "xDS response validation errors: [resource index 0: bad]");
    bench.put("cluster", { b: "2" });
    const next = one(bench.drain());
    assert.deepEqual(said([next]), ["cluster b=2"]);
    bench.ack(next, names);
    bench.put("cluster", { a: "2" });
    assert.deepEqual(said(bench.drain()), ["cluster b=2 a=2"]);
  });

  test("a refusal that names nobody is taken apart, one change at a time", () => {
    const bench = subscribed();
    bench.put("cluster", { a: "bad", b: "2" });
    const response = one(bench.drain());
    assert.deepEqual(said([response]), ["cluster a=bad b=2 c=1"]);
    const first = one(bench.nack(response, names, "something is wrong"));
    assert.deepEqual(said([first]), ["cluster a=bad b=1 c=1"]);
    const second = one(bench.nack(first, names, "something is wrong"));
    assert.deepEqual(said([second]), ["cluster a=1 b=2 c=1"]);
    assert.deepEqual(bench.ack(second, names), []);
    assert.equal(bench.session.status()[0]?.refused, 1);
  });

  test("Envoy's words are understood as on a delta stream", () => {
    const bench = subscribed();
    bench.put("cluster", { a: "2", b: "bad" });
    const error = "Error adding/updating cluster(s) b: bad";
    assert.deepEqual(bench.nack(one(bench.drain()), names, error), []);
    bench.put("cluster", { c: "2" });
    assert.deepEqual(said(bench.drain()), ["cluster a=2 b=1 c=2"]);
  });

  test("a refused endpoint is not sent again as it is, and the others go on", () => {
    const bench = new SotwBench();
    bench.put("endpoint", { a: "bad", b: "1" });
    const response = one(bench.ask("endpoint", ["a", "b"]));
    const error = "xDS response validation errors: [resource index 0: bad]";
    assert.deepEqual(bench.nack(response, ["a", "b"], error), []);
    bench.put("endpoint", { b: "2" });
    assert.deepEqual(said(bench.drain()), ["endpoint b=2"]);
  });

  test("the same refusal said twice counts once", () => {
    const bench = subscribed();
    bench.put("cluster", { b: "bad" });
    const response = one(bench.drain());
    const error = "xDS response validation errors: [resource index 1: bad]";
    assert.deepEqual(bench.nack(response, names, error), []);
    // grpc-js repeats its error with each request until the next good response.
    assert.deepEqual(bench.nack(response, names, error), []);
    assert.equal(bench.session.status()[0]?.refused, 1);
  });
});

describe("SotwSession of an agent that does not know all yet", () => {
  const unsure = (): { bench: SotwBench; know: () => void } => {
    const knowledge = { isSettled: false };
    const bench = new SotwBench({ isSettled: () => knowledge.isSettled });
    const know = (): void => {
      knowledge.isSettled = true;
      bench.session.resettle();
    };
    return { bench, know };
  };

  test("takes nothing away from a client that came with a version", () => {
    const { bench, know } = unsure();
    bench.put("listener", { a: "2" });
    assert.deepEqual(bench.ask("listener", ["a", "b"], { version: "old" }), []);
    bench.put("listener", { b: "2" });
    assert.deepEqual(said(bench.drain()), ["listener a=2 b=2"]);
    know();
    assert.deepEqual(bench.drain(), []);
  });

  test("says all once it knows all", () => {
    const { bench, know } = unsure();
    bench.put("listener", { a: "2" });
    assert.deepEqual(bench.ask("listener", ["a", "b"], { version: "old" }), []);
    know();
    assert.deepEqual(said(bench.drain()), ["listener a=2"]);
  });

  test("says nothing whole to a client that has it knows not what", () => {
    const { bench, know } = unsure();
    bench.put("cluster", { a: "2" });
    assert.deepEqual(bench.ask("cluster", [], { version: "old" }), []);
    know();
    assert.deepEqual(said(bench.drain()), ["cluster a=2"]);
  });

  test("answers a client that has nothing", () => {
    const { bench } = unsure();
    bench.put("listener", { a: "1" });
    assert.deepEqual(said(bench.ask("listener", ["a", "b"])), ["listener a=1"]);
  });

  test("does not replace endpoints that a client brought along", () => {
    const { bench, know } = unsure();
    bench.put("endpoint", { a: "poorer" });
    assert.deepEqual(bench.ask("endpoint", ["a"], { version: "old" }), []);
    know();
    assert.deepEqual(said(bench.drain()), ["endpoint a=poorer"]);
  });
});
