import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { growthIn, violationsIn } from "./mesh/soak/invariants.ts";
import { scheduleFor } from "./mesh/soak/schedule.ts";
import { shrink } from "./mesh/soak/shrink.ts";

const faults = [
  { name: "a", subject: "eu" },
  { name: "b", subject: "us" },
  { name: "c", subject: "us" },
];

suite("scheduleFor()", () => {
  test("says the same for the same seed, and something else for another", () => {
    const options = { totalMs: 300_000, faults };
    assert.deepEqual(scheduleFor(7, options), scheduleFor(7, options));
    assert.notDeepEqual(scheduleFor(7, options), scheduleFor(8, options));
  });
  test("pairs no faults of one subject, and fills the time", () => {
    const steps = scheduleFor(1, { totalMs: 3_600_000, faults });
    const took = steps.reduce((sum, { lastsMs, restMs }) => sum + lastsMs + restMs, 0);
    assert.ok(took >= 3_600_000 && took < 3_620_000);
    assert.ok(steps.some((step) => step.faults.length === 2));
    assert.ok(!steps.some((step) => step.faults.every((name) => name !== "a") && step.faults[1]));
  });
});

suite("shrink()", () => {
  const failsWith =
    (...needed: readonly number[]) =>
    async (items: readonly number[]): Promise<boolean> =>
      needed.every((one) => items.includes(one));
  const items = Array.from({ length: 20 }, (_, index) => index);

  test("keeps the step that failed when it fails alone", async () => {
    const found = await shrink(items, { failedAt: 9, maxRuns: 20, fails: failsWith(9) });
    assert.deepEqual(found, [9]);
  });
  test("keeps the earlier steps that it takes", async () => {
    const found = await shrink(items, { failedAt: 15, maxRuns: 100, fails: failsWith(2, 11, 15) });
    assert.deepEqual(found, [2, 11, 15]);
  });
  test("gives what it has when it may run no more", async () => {
    const found = await shrink(items, { failedAt: 15, maxRuns: 0, fails: failsWith(15) });
    assert.deepEqual(found, items.slice(0, 16));
  });
});

suite("violationsIn()", () => {
  test("misses what another member exports", () => {
    const known = { services: [], endpoints: [], proxies: [] };
    const found = violationsIn([{ region: "eu", known }]);
    assert.ok(found.includes("eu knows 0 of 2 workloads of books in us"));
    assert.equal(found.length, 8);
  });
  test("holds nothing against an agent that does not answer", () => {
    assert.deepEqual(violationsIn([{ region: "eu" }]), []);
  });
});

suite("growthIn()", () => {
  const mebibyte = 2 ** 20;
  test("finds memory that grows, and forgives what breathes", () => {
    const steady = Array.from({ length: 40 }, (_, step) => (100 + (step % 7)) * mebibyte);
    const leaking = Array.from({ length: 40 }, (_, step) => (100 + 4 * step) * mebibyte);
    const found = growthIn(
      new Map([
        ["steady", steady],
        ["leaking", leaking],
      ]),
    );
    assert.equal(found.length, 1);
    assert.match(found[0] ?? "", /^leaking grew from \d+ to \d+ MiB$/);
  });
});
