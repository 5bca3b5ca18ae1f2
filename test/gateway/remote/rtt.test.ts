import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type {
  MeasuredRegion,
  RankContext,
  RankState,
} from "../../../src/gateway/remote/rtt-rank.ts";
import { emptyRanks, rankOf, rankRegions } from "../../../src/gateway/remote/rtt-rank.ts";
import {
  addRtt,
  emptyRttWindow,
  minRtt,
  presentRtt,
} from "../../../src/gateway/remote/rtt-window.ts";

suite("minRtt()", () => {
  const window = [
    { nowMs: 0, rttMs: 40 },
    { nowMs: 1_000, rttMs: 90 },
    { nowMs: 200_000, rttMs: 60 },
  ].reduce(addRtt, emptyRttWindow);
  test("is the least of the last five minutes", () => {
    assert.equal(minRtt(window, 299_000), 40);
    assert.equal(minRtt(window, 340_000), 60);
  });
  test("is unknown without a measurement in that time", () => {
    assert.equal(minRtt(emptyRttWindow, 0), undefined);
    assert.equal(minRtt(window, 600_000), undefined);
  });
  test("needs a dozen numbers, however often it is fed", () => {
    let many = emptyRttWindow;
    for (let nowMs = 0; nowMs < 3_600_000; nowMs += 1_000)
      many = addRtt(many, { nowMs, rttMs: 10 + (nowMs % 7) });
    assert.ok(many.buckets.length <= 12);
  });
});

suite("presentRtt()", () => {
  const after = (...samples: number[]): number | undefined =>
    presentRtt(
      samples.reduce((window, rttMs) => addRtt(window, { rttMs, nowMs: 0 }), emptyRttWindow),
    );
  const slow = Array.from({ length: 10 }, (_, index) => 560 + index);
  test("is the least of the last ten, whatever was before", () => {
    assert.equal(after(60, 60, ...slow), 560);
  });
  test("is not moved by a few slow answers, and unknown before ten", () => {
    assert.equal(after(60, ...slow.slice(1)), 60);
    assert.equal(after(...slow.slice(1)), undefined);
  });
  test("leaves out what passed in this process", () => {
    const lagging = slow.map((_, nowMs) => ({ rttMs: 400, lagMs: 330, nowMs }));
    assert.equal(presentRtt(lagging.reduce(addRtt, emptyRttWindow)), 70);
    assert.equal(
      presentRtt(lagging.map((one) => ({ ...one, lagMs: 500 })).reduce(addRtt, emptyRttWindow)),
      0,
    );
  });
});

const minuteMs = 60_000;
const context: RankContext = { nowMs: 0, ownCloud: "aws", random: 0, isFailover: false };
const region = (key: string, rttMs?: number): MeasuredRegion => {
  const base = { key, cloud: key.split("/")[0] ?? "" };
  return rttMs === undefined ? base : { ...base, rttMs };
};

const later = (
  state: RankState,
  regions: readonly MeasuredRegion[],
  at: Partial<RankContext>,
): RankState => rankRegions(state, regions, { ...context, ...at });

suite("rankRegions()", () => {
  const first = later(
    emptyRanks,
    [region("gcp/asia", 180), region("azure/west", 80), region("gcp/east")],
    {},
  );

  test("places measured regions at once, nearest first", () => {
    assert.deepEqual(first.order, ["azure/west", "gcp/asia"]);
  });
  test("gives regions that were never measured one last rank", () => {
    assert.deepEqual(
      ["azure/west", "gcp/asia", "gcp/east"].map((key) => rankOf(first, key)),
      [1, 2, 3],
    );
  });
  test("prefers the own cloud on near ties, and only on those", () => {
    const tied = later(emptyRanks, [region("azure/a", 80), region("aws/b", 90)], {});
    assert.deepEqual(tied.order, ["aws/b", "azure/a"]);
    const clear = later(emptyRanks, [region("azure/a", 60), region("aws/b", 90)], {});
    assert.deepEqual(clear.order, ["azure/a", "aws/b"]);
  });

  const turned = [region("gcp/asia", 60), region("azure/west", 80)];
  test("swaps only after ten minutes of being 20 % and 5 ms nearer", () => {
    const seen = later(first, turned, { nowMs: 0 });
    assert.deepEqual(seen.order, ["azure/west", "gcp/asia"]);
    assert.deepEqual(later(seen, turned, { nowMs: 10 * minuteMs - 1 }).order, [
      "azure/west",
      "gcp/asia",
    ]);
    assert.deepEqual(later(seen, turned, { nowMs: 10 * minuteMs }).order, [
      "gcp/asia",
      "azure/west",
    ]);
    assert.deepEqual(later(seen, turned, { nowMs: 11 * minuteMs, random: 0.9 }).order, [
      "azure/west",
      "gcp/asia",
    ]);
  });
  test("while it guesses, swaps at once what is clearly nearer or cheaper, and nothing on near ties", () => {
    const guess = { isGuess: true };
    assert.deepEqual(later(first, turned, guess).order, ["gcp/asia", "azure/west"]);
    const near = [region("gcp/asia", 79), region("azure/west", 80)];
    assert.deepEqual(later(first, near, guess).order, ["azure/west", "gcp/asia"]);
    const slow = later(emptyRanks, [region("azure/a", 20), region("aws/b", 80)], guess);
    assert.deepEqual(slow.order, ["azure/a", "aws/b"]);
    const tied = [region("azure/a", 20), region("aws/b", 21)];
    const moved = later(slow, tied, guess);
    assert.deepEqual(moved.order, ["aws/b", "azure/a"]);
    assert.deepEqual(later(moved, tied, guess).order, ["aws/b", "azure/a"], "and stays there");
  });
  test("starts the ten minutes again after each interruption", () => {
    const seen = later(first, turned, { nowMs: 0 });
    const gone = later(seen, [region("gcp/asia", 70), region("azure/west", 80)], {
      nowMs: 5 * minuteMs,
    });
    const again = later(gone, turned, { nowMs: 6 * minuteMs });
    assert.deepEqual(later(again, turned, { nowMs: 12 * minuteMs }).order, [
      "azure/west",
      "gcp/asia",
    ]);
  });
  test("changes nothing during a failover", () => {
    const seen = later(first, turned, { nowMs: 0 });
    const failing = later(seen, turned, { nowMs: 11 * minuteMs, isFailover: true });
    assert.deepEqual(failing.order, ["azure/west", "gcp/asia"]);
    assert.equal(failing.pending.size, 0);
  });
  test("keeps the place of a region that is not measured any more", () => {
    const silent = later(first, [region("gcp/asia", 180), region("azure/west")], {
      nowMs: 60 * minuteMs,
    });
    assert.deepEqual(silent.order, ["azure/west", "gcp/asia"]);
  });
  test("forgets a region that left the mesh", () => {
    assert.deepEqual(later(first, [region("gcp/asia", 180)], {}).order, ["gcp/asia"]);
  });
});
