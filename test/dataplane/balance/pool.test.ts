import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { updatePool } from "../../../src/dataplane/balance/pool.ts";
import type { AssignmentModel } from "../../../src/dataplane/config/model.ts";
import { clusterModel, host, nth, poolOf } from "../support/pools.ts";

const assigned = (hosts: AssignmentModel["hosts"]): AssignmentModel => ({
  overprovisioningPercent: 140,
  isHealthWeighted: false,
  hosts,
});

describe("updatePool()", () => {
  test("keeps a host's ejection and counts over updates of endpoints and cluster", () => {
    const [one, two] = [host(), host()];
    const pool = poolOf([one, two]);
    const kept = nth(pool, 0);
    kept.ejectedUntilMs = 9_000;
    kept.active = 3;
    updatePool(pool, {
      model: { ...clusterModel, connectTimeoutMs: 1 },
      assignment: assigned([{ ...one, weight: 7 }]),
    });
    assert.equal(nth(pool, 0), kept);
    assert.deepEqual([kept.ejectedUntilMs, kept.active, kept.model.weight], [9_000, 3, 7]);
    assert.equal(pool.hosts.size, 1);
  });

  test("tells who turned unhealthy now, not who was before, nor who drains", () => {
    const [one, two, three, four] = [host(), host({ health: "unhealthy" }), host(), host()];
    const pool = poolOf([one, two, three, four]);
    const hosts = [
      { ...one, health: "unhealthy" as const },
      two,
      { ...three, health: "draining" as const },
      four,
    ];
    const { fallen, removed } = updatePool(pool, {
      model: clusterModel,
      assignment: assigned(hosts),
    });
    assert.deepEqual([fallen.map(({ model }) => model.address), removed], [[one.address], []]);
  });

  test("keeps the connections of fallen hosts while nobody is healthy, and lets them go once", () => {
    const [one, two] = [host(), host()];
    const pool = poolOf([one, two]);
    const fallenAt = (...health: ("healthy" | "unhealthy")[]): unknown[] => {
      const hosts = [one, two].map((each, index) => ({
        ...each,
        health: health[index] ?? "healthy",
      }));
      const { fallen } = updatePool(pool, { model: clusterModel, assignment: assigned(hosts) });
      return fallen.map(({ model }) => model.address);
    };
    assert.deepEqual(fallenAt("unhealthy", "unhealthy"), []);
    assert.deepEqual(fallenAt("unhealthy", "healthy"), [one.address]);
    assert.deepEqual(fallenAt("unhealthy", "healthy"), []);
    assert.deepEqual(fallenAt("healthy", "unhealthy"), [two.address]);
    assert.deepEqual(fallenAt("unhealthy", "healthy"), [one.address]);
  });

  test("gives a host the socket whose every label it carries, else the cluster's own", () => {
    const tls = { sni: "cart", validation: { secret: "v" } };
    const model = {
      ...clusterModel,
      socketMatches: [{ match: { mtls: "true", zone: "a" }, tls }, { match: { plain: "true" } }],
    };
    const labels = [{ mtls: "true", zone: "a" }, { mtls: "true" }, { plain: "true" }];
    const pool = poolOf(
      labels.map((label) => host({ labels: label })),
      { model: { ...model, tls: { ...tls, sni: "own" } } },
    );
    assert.deepEqual(
      [0, 1, 2].map((index) => nth(pool, index).tls?.sni),
      ["cart", "own", undefined],
    );
  });
});
