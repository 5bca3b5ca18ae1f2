import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { CallerSpread, coarseCallers } from "../../../src/proxy/levels/callers.ts";
import { zoneShares } from "../../../src/proxy/levels/zone-shares.ts";

const shares = (
  healthy: Record<string, number>,
  viewer: { readonly zone: string; readonly callers?: Record<string, number> },
): Record<string, number> => {
  const { zone, callers } = viewer;
  const known = callers === undefined ? {} : { callers: new Map(Object.entries(callers)) };
  const result = zoneShares(new Map(Object.entries(healthy)), { zone, ...known });
  return Object.fromEntries(
    [...result].map(([key, share]) => [key, Math.round(share * 1_000) / 1_000]),
  );
};

suite("zoneShares()", () => {
  test("keeps everything at home where endpoints match callers", () => {
    assert.deepEqual(shares({ a: 2, b: 2 }, { zone: "a", callers: { a: 5, b: 5 } }), {
      a: 1,
      b: 0,
    });
  });
  test("sends away what a small zone cannot serve, to zones that have endpoints to spare", () => {
    const callers = { a: 1, b: 1, c: 1 };
    assert.deepEqual(shares({ a: 1, b: 3, c: 3 }, { zone: "a", callers }), {
      a: 0.429,
      b: 0.286,
      c: 0.286,
    });
    assert.deepEqual(shares({ a: 1, b: 3, c: 3 }, { zone: "b", callers }), { a: 0, b: 1, c: 0 });
  });
  test("follows the endpoints while nobody knows where the callers are", () => {
    assert.deepEqual(shares({ a: 1, b: 3 }, { zone: "a" }), { a: 0.25, b: 0.75 });
    assert.deepEqual(shares({ a: 1, b: 3 }, { zone: "a", callers: {} }), { a: 0.25, b: 0.75 });
    assert.deepEqual(shares({ a: 1, b: 3 }, { zone: "a", callers: { b: 0 } }), {
      a: 0.25,
      b: 0.75,
    });
  });
  test("leaves a zone without healthy endpoints", () => {
    assert.deepEqual(shares({ a: 0, b: 1 }, { zone: "a", callers: { a: 1 } }), { a: 0, b: 1 });
    assert.deepEqual(shares({ b: 1, c: 1 }, { zone: "", callers: { "": 3 } }), { b: 0.5, c: 0.5 });
  });
  test("gives nobody anything where nobody is healthy", () => {
    assert.deepEqual(shares({ a: 0, b: 0 }, { zone: "a" }), { a: 0, b: 0 });
  });

  test("loads every endpoint of the member alike when callers are as counted", () => {
    const counts = fc.dictionary(
      fc.constantFrom("a", "b", "c", "d"),
      fc.integer({ min: 1, max: 20 }),
      { minKeys: 1 },
    );
    const run = fc.property(counts, counts, (healthy, callers) => {
      const total = Object.values(callers).reduce((sum, count) => sum + count, 0);
      const endpoints = Object.values(healthy).reduce((sum, count) => sum + count, 0);
      const load = new Map<string, number>();
      for (const [zone, count] of Object.entries(callers)) {
        const result = zoneShares(new Map(Object.entries(healthy)), {
          zone,
          callers: new Map(Object.entries(callers)),
        });
        for (const [to, share] of result) load.set(to, (load.get(to) ?? 0) + share * count);
      }
      for (const [zone, count] of Object.entries(healthy)) {
        const fair = (total * count) / endpoints;
        assert.ok(
          Math.abs((load.get(zone) ?? 0) - fair) < 1e-6,
          `${zone}: ${load.get(zone)} against ${fair}`,
        );
      }
    });
    fc.assert(run, { numRuns: 500 });
  });
});

suite("coarseCallers()", () => {
  const coarse = (counts: Record<string, number>): Record<string, number> =>
    Object.fromEntries(coarseCallers(new Map(Object.entries(counts))));
  test("tells tenths, and never hides a zone", () => {
    assert.deepEqual(coarse({ b: 499, a: 500, c: 1 }), { a: 5, b: 5, c: 1 });
    assert.deepEqual(coarse({ a: 0, b: 2 }), { b: 10 });
    assert.deepEqual(coarse({}), {});
  });
});

suite("CallerSpread", () => {
  const counted = (counts: Record<string, number>): Map<string, number> =>
    new Map(Object.entries(counts));
  /** What is told after each look. */
  const toldOf = (looks: readonly Record<string, number>[]): unknown[] => {
    const spread = new CallerSpread();
    return looks.map((counts) => {
      const before = spread.told;
      assert.equal(spread.look(counted(counts)), spread.told !== before);
      return spread.told === undefined ? undefined : Object.fromEntries(spread.told);
    });
  };

  test("tells the first spread at once, and nothing while there is nobody", () => {
    assert.deepEqual(toldOf([{}, { a: 3, b: 3 }]), [undefined, { a: 5, b: 5 }]);
    assert.deepEqual(toldOf([{ a: 1 }, {}, {}, {}, {}]).at(-1), { a: 10 });
  });

  test("stays the same while a fleet joins evenly, and when a hundredth of it comes or goes", () => {
    const spread = new CallerSpread();
    const zones = ["a", "b", "c"];
    const counts = counted({ a: 5, b: 5, c: 6 });
    spread.look(counts);
    for (let joined = 0; joined < 300; joined += 1) {
      const zone = zones[joined % zones.length] ?? "";
      counts.set(zone, (counts.get(zone) ?? 0) + 1);
      assert.equal(spread.look(counts), false, JSON.stringify([...counts]));
    }
    // Where tenths turn.
    const edge = new CallerSpread();
    edge.look(counted({ a: 45, b: 55 }));
    for (const inA of [46, 44, 44, 44, 44, 46, 46, 46, 46]) {
      assert.equal(edge.look(counted({ a: inA, b: 100 - inA })), false);
    }
  });

  test("tells another spread that lasts, a few looks after the one before", () => {
    const [even, moved] = [
      { a: 10, b: 10 },
      { a: 10, b: 30 },
    ];
    const before = { a: 5, b: 5 };
    const after = { a: 3, b: 8 };
    assert.deepEqual(toldOf([even, even, even, moved, moved]), [
      before,
      before,
      before,
      before,
      after,
    ]);
    assert.deepEqual(toldOf([even, moved, moved, moved]), [before, before, before, after]);
    const forthAndBack = [even, even, even, moved, even, moved, even, moved, even];
    assert.deepEqual(new Set(toldOf(forthAndBack).map((told) => JSON.stringify(told))).size, 1);
  });

  test("tells of a zone that appears or is empty, however small", () => {
    const [without, withOne] = [
      { a: 500, b: 500 },
      { a: 500, b: 500, c: 1 },
    ];
    const looks = [without, withOne, withOne, withOne, without, without, without];
    const told = toldOf(looks);
    assert.deepEqual(told.at(3), { a: 5, b: 5, c: 1 });
    assert.deepEqual(told.at(-1), { a: 5, b: 5 });
  });
});
