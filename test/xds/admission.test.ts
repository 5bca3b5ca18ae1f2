import assert from "node:assert/strict";
import { test } from "node:test";
import { Admission } from "../../src/xds/admission.ts";

test("Admission lets a burst in at once and then its rate", () => {
  const admission = new Admission({ perSecond: 10, burst: 3 }, 0);
  const taken = (nowMs: number): number => {
    let count = 0;
    while (admission.take(nowMs)) count += 1;
    return count;
  };
  assert.equal(taken(0), 3);
  assert.equal(admission.waitMs(0), 100);
  assert.equal(taken(99), 0);
  assert.equal(taken(100), 1);
  assert.equal(taken(350), 2);
  assert.equal(taken(60_000), 3, "a quiet time earns no more than a burst");
});

test("Admission outlives a clock that goes back", () => {
  const admission = new Admission({ perSecond: 1, burst: 1 }, 1000);
  assert.ok(admission.take(1000));
  assert.ok(!admission.take(0));
  assert.ok(admission.take(1000));
});
