import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { levelsOf } from "../../../src/dataplane/balance/levels.ts";
import { host, level, poolOf } from "../support/pools.ts";

function loadsOf(pool: Parameters<typeof levelsOf>[0]): number[] {
  return levelsOf(pool, 0).map(({ load }) => load);
}

describe("levelsOf()", () => {
  // The figures of Envoy's documentation on priority levels with the factor of 1.4.
  for (const [healthy, loads] of [
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 72],
      [100, 0],
    ],
    [
      [71, 71],
      [99, 1],
    ],
    [
      [50, 50],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [25, 25],
      [50, 50],
    ],
    [
      [0, 100],
      [0, 100],
    ],
  ] as const) {
    test(`shares ${healthy.join(" and ")} of 100 healthy as ${loads.join(" to ")}`, () => {
      const hosts = healthy.flatMap((count, priority) =>
        level(priority, { healthy: count, total: 100 }),
      );
      assert.deepEqual(loadsOf(poolOf(hosts)), loads);
    });
  }

  test("counts weights instead of hosts when the assignment says so", () => {
    const hosts = [
      host({ weight: 9 }),
      host({ weight: 1, health: "unhealthy" }),
      host({ priority: 1 }),
    ];
    assert.deepEqual(loadsOf(poolOf(hosts)), [70, 30]);
    assert.deepEqual(loadsOf(poolOf(hosts, { assignment: { isHealthWeighted: true } })), [100, 0]);
  });

  test("neither counts nor uses draining hosts; a level of them alone passes its load on", () => {
    assert.deepEqual(
      loadsOf(poolOf([host(), host({ health: "draining" }), host({ priority: 1 })])),
      [100, 0],
    );
    assert.deepEqual(
      loadsOf(poolOf([host({ health: "draining" }), host({ priority: 1 })])),
      [0, 100],
    );
  });

  test("gives ejected hosts back when their time is over", () => {
    const pool = poolOf([host(), host({ priority: 1 })]);
    for (const ejected of pool.hosts.values())
      if (ejected.model.priority === 0) ejected.ejectedUntilMs = 1_000;
    assert.deepEqual(
      levelsOf(pool, 999).map(({ load }) => load),
      [0, 100],
    );
    assert.deepEqual(
      levelsOf(pool, 1_000).map(({ load }) => load),
      [100, 0],
    );
  });

  test("panics by number of hosts when nobody is healthy, and not with a threshold of 0", () => {
    const hosts = [...level(0, { healthy: 0, total: 3 }), ...level(1, { healthy: 0, total: 1 })];
    const panic = levelsOf(poolOf(hosts), 0);
    assert.deepEqual(
      panic.map(({ load, isPanic }) => [load, isPanic]),
      [
        [75, true],
        [25, true],
      ],
    );
    const calm = levelsOf(poolOf(hosts, { model: { panicPercent: 0 } }), 0);
    assert.deepEqual(
      calm.map(({ load, isPanic }) => [load, isPanic]),
      [
        [0, false],
        [0, false],
      ],
    );
  });

  test("does not panic with one healthy host among 100", () => {
    const [only] = levelsOf(poolOf(level(0, { healthy: 1, total: 100 })), 0);
    assert.deepEqual([only?.load, only?.isPanic], [100, false]);
  });

  test("cuts a locality's weight as it loses hosts, after overprovisioning", () => {
    const far = { locality: "b", localityWeight: 2 };
    const pool = poolOf([host(), host({ health: "unhealthy" }), host(far), host(far)]);
    const [only] = levelsOf(pool, 0);
    assert.deepEqual(
      only?.localities.map(({ weight }) => weight),
      [0.7, 2],
    );
  });
});
