import assert from "node:assert/strict";
import { test } from "node:test";
import { evenPhases, renewAtMs, retryDelayMs } from "../../src/trust/renewal-times.ts";

const validity = { notBeforeMs: 1_000_000, notAfterMs: 1_000_000 + 86_400_000 };

test("renewAtMs() is half life, ten percent of it sooner or later", () => {
  const at = (phase: number): number => renewAtMs(validity, phase) - validity.notBeforeMs;
  assert.equal(at(0), 38_880_000);
  assert.equal(at(0.5), 43_200_000);
  assert.ok(Math.abs(at(1 - Number.EPSILON) - 47_520_000) < 1);
});

test("retryDelayMs() doubles from one second to one minute and is never less than half of that", () => {
  const longest = [1, 2, 3, 7, 8, 1000].map((failures) => retryDelayMs(failures, () => 1));
  assert.deepEqual(longest, [1000, 2000, 4000, 60_000, 60_000, 60_000]);
  assert.equal(
    retryDelayMs(3, () => 0),
    2000,
  );
});

const fleet = 10_000;
const minuteMs = 60_000;

/** The busiest minute of each of these lives, over the mean rate of the time in which that life's renewals lie. */
function busiest(lives: number, phaseOf: () => number, redraws: boolean): readonly number[] {
  const atMs = Array.from({ length: fleet }, () => 0);
  let phases = atMs.map(phaseOf);
  return Array.from({ length: lives }, (_, life) => {
    if (redraws && life > 0) phases = atMs.map(phaseOf);
    const perMinute = new Map<number, number>();
    for (const [index, beganMs] of atMs.entries()) {
      const dueMs = renewAtMs(
        { notBeforeMs: beganMs, notAfterMs: beganMs + 86_400_000 },
        phases[index] ?? 0,
      );
      atMs[index] = dueMs;
      const minute = Math.floor(dueMs / minuteMs);
      perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
    }
    const windowMinutes = ((life + 1) * 0.2 * 43_200_000) / minuteMs;
    return Math.max(...perMinute.values()) / (fleet / windowMinutes);
  });
}

test("evenPhases() keep each minute of 10,000 renewals below 1.5 times the mean, for ten lives", () => {
  for (const begin of [0, 0.1, 0.38, 0.77]) {
    const ratios = busiest(
      10,
      evenPhases(() => begin),
      false,
    );
    assert.ok(Math.max(...ratios) < 1.5, ratios.join(" "));
    // The hard one: all were issued at one instant.
    assert.ok((ratios[0] ?? 9) < 1.05, ratios.join(" "));
  }
});

test("a phase that is drawn again for each renewal would heap up a fleet in the middle of its window", () => {
  const [, second = 0] = busiest(
    2,
    evenPhases(() => 0),
    true,
  );
  assert.ok(second > 1.9, String(second));
});
