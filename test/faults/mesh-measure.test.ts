import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { codecFor } from "./mesh/codec.ts";
import { type Measure, measure } from "./mesh/measure.ts";
import type { Kind, Sample } from "./mesh/sample.ts";

const course = { beganMs: 0, preparedMs: 1000, faultMs: 1000, healMs: 3000 };

const sample = (startMs: number, tookMs: number, result: string, kind: Kind = "get"): Sample => ({
  service: "cart",
  kind,
  startMs,
  endMs: startMs + tookMs,
  ...(result.startsWith("!") ? { failure: result.slice(1) } : { who: result }),
});

/** One request every 10 ms by whoever it says. */
const steady = (fromMs: number, untilMs: number, who: (atMs: number) => string): Sample[] =>
  Array.from({ length: (untilMs - fromMs) / 10 }, (_, index) =>
    sample(fromMs + 10 * index, 5, who(fromMs + 10 * index)),
  );

const measured = (samples: readonly Sample[]): Measure =>
  measure(samples, {
    course,
    isStruck: (who) => who === "one",
    isAllowed: (who) => who !== "far",
    lateMs: 150,
  });

suite("measure()", () => {
  const before = steady(0, 1000, () => "one");

  test("finds when traffic has moved, and how long nobody was answered", () => {
    const {
      moved,
      blackout,
      steady: steadyMs,
    } = measured([...before, sample(1000, 700, "!closed"), ...steady(1800, 3000, () => "two")]);
    assert.equal(moved, 0);
    assert.equal(steadyMs, 700);
    assert.equal(blackout, 805);
    const later = measured([...before, sample(1400, 5, "one"), ...steady(1500, 3000, () => "two")]);
    assert.equal(later.moved, 400);
  });

  test("tells what may be repeated from what may not, and begun later from in flight", () => {
    const { failed, idempotentFailed, othersFailed, laterFailed, inFlight } = measured([
      ...before,
      sample(995, 100, "!closed"),
      sample(996, 100, "!closed", "post"),
      sample(1001, 50, "!status 503", "post"),
      ...steady(1200, 3000, () => "two"),
    ]);
    assert.deepEqual(
      { failed, idempotentFailed, othersFailed, laterFailed, inFlight },
      { failed: 3, idempotentFailed: 1, othersFailed: 2, laterFailed: 1, inFlight: 3 },
    );
  });

  test("finds when the share is back, and who answered that should not", () => {
    const { back, strays, atEnd, backFailed } = measured([
      ...before,
      ...steady(1000, 3000, (atMs) => (atMs < 1050 ? "far" : "two")),
      ...steady(3000, 4000, () => "two"),
      ...steady(4000, 6000, () => "one"),
    ]);
    assert.equal(strays, 5);
    assert.deepEqual(atEnd, { byStruck: 0, byOthers: 50 });
    assert.equal(backFailed, 0);
    assert.ok(back !== undefined && back >= 700 && back <= 1000, `${back}`);
    assert.equal(measured([...before, ...steady(1000, 6000, () => "two")]).back, undefined);
  });
});

suite("codecFor()", () => {
  const http = codecFor({ service: "cart", kind: "post", port: 1, connections: 1, perSecond: 1 });

  test("waits for a whole answer, and sees that its connection ends", () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
    assert.deepEqual(http.read(head), { t: "more" });
    assert.deepEqual(http.read(`${head}one\n`), { t: "closing", who: "one" });
  });
  test("takes anything but 200 for a failure", () => {
    const answer = http.read("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno");
    assert.deepEqual(answer, { t: "whole", failure: "status 503: no" });
  });
});
