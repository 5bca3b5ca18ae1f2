import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pickHost } from "../../../src/dataplane/balance/pick.ts";
import type { Host, Pool } from "../../../src/dataplane/balance/pool.ts";
import { host, level, nth, poolOf } from "../support/pools.ts";

/** A sequence that covers [0, 1) evenly, so that shares come out exact. */
function evenly(steps: number): () => number {
  let step = 0;
  return () => ((step++ * 7919) % steps) / steps;
}

function shares(
  pool: Pool,
  { by, picks }: { by: (host: Host) => string; picks: number },
): Record<string, number> {
  const counts: Record<string, number> = {};
  const random = evenly(1_000);
  for (let pick = 0; pick < picks; pick++) {
    const picked = pickHost(pool, { nowMs: 0, random, tried: new Set() });
    assert.ok(picked);
    counts[by(picked)] = (counts[by(picked)] ?? 0) + 1;
  }
  return counts;
}

describe("pickHost()", () => {
  test("spreads by weight in turn, exactly, from the first connections on", () => {
    const pool = poolOf([host({ weight: 5 }), host({ weight: 1 }), host({ weight: 2 })]);
    assert.deepEqual(
      new Set(Object.values(shares(pool, { by: ({ key }) => key, picks: 16 }))),
      new Set([10, 2, 4]),
    );
  });

  test("spreads over localities by their weights, whatever their number of hosts", () => {
    const far = { locality: "b", localityWeight: 3 };
    const pool = poolOf([host(), host(), host(), host(far)]);
    assert.deepEqual(shares(pool, { by: ({ model }) => model.locality, picks: 1_000 }), {
      a: 250,
      b: 750,
    });
  });

  test("spills to the next level as health says", () => {
    const pool = poolOf([
      ...level(0, { healthy: 1, total: 2 }),
      ...level(1, { healthy: 1, total: 1 }),
    ]);
    assert.deepEqual(shares(pool, { by: ({ model }) => String(model.priority), picks: 1_000 }), {
      0: 700,
      1: 300,
    });
  });

  test("prefers the less busy of two for least-request", () => {
    const pool = poolOf([host(), host()], { model: { policy: "least-request" } });
    nth(pool, 0).active = 10;
    // The level, the locality, then one draw for each of the two.
    const draws = [0, 0, 0.25, 0.75];
    const random = (): number => draws.shift() ?? 0;
    assert.equal(pickHost(pool, { nowMs: 0, random, tried: new Set() }), nth(pool, 1));
  });

  test("tries another host after a failure, the next level after two, and every host in the end", () => {
    const pool = poolOf([
      ...level(0, { healthy: 4, total: 4 }),
      ...level(1, { healthy: 2, total: 2 }),
    ]);
    const tried = new Set<Host>();
    const order: number[] = [];
    for (;;) {
      const picked = pickHost(pool, { nowMs: 0, random: () => 0.5, tried });
      if (picked === undefined) break;
      assert.equal(tried.has(picked), false);
      tried.add(picked);
      order.push(picked.model.priority);
    }
    assert.deepEqual(order, [0, 0, 1, 1, 0, 0]);
  });

  test("tries those held for dead, nearest first, when all who are healthy have failed", () => {
    const pool = poolOf([
      ...level(0, { healthy: 1, total: 1 }),
      ...level(1, { healthy: 0, total: 1 }),
      ...level(2, { healthy: 0, total: 1 }),
      { ...host({ health: "draining" }), priority: 1 },
    ]);
    const tried = new Set<Host>();
    const order: string[] = [];
    for (;;) {
      const picked = pickHost(pool, { nowMs: 0, random: () => 0.5, tried });
      if (picked === undefined) break;
      tried.add(picked);
      order.push(`${picked.model.priority} ${picked.model.health}`);
    }
    assert.deepEqual(order, ["0 healthy", "1 unhealthy", "2 unhealthy"]);
  });

  test("finds nobody when nobody is healthy and panic is off", () => {
    const pool = poolOf(level(0, { healthy: 0, total: 2 }), { model: { panicPercent: 0 } });
    assert.equal(pickHost(pool, { nowMs: 0, random: () => 0, tried: new Set() }), undefined);
  });

  test("uses everyone in panic", () => {
    const pool = poolOf(level(0, { healthy: 0, total: 2 }));
    assert.equal(Object.keys(shares(pool, { by: ({ key }) => key, picks: 10 })).length, 2);
  });
});
