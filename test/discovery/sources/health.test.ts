import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProbeOutcome, ProbeState } from "../../../src/discovery/sources/health.ts";
import {
  afterProbe,
  initialProbeState,
  nextProbeInMs,
  probedEndpoint,
  probeRules as rules,
} from "../../../src/discovery/sources/health.ts";
import type { Endpoint, Health } from "../../../src/mesh/service.ts";

const up: ProbeState = { t: "up", failures: 0 };
const down: ProbeState = { t: "down", successes: 0 };
const fresh = initialProbeState(false);

function after(state: ProbeState, ...outcomes: readonly ProbeOutcome[]): ProbeState {
  return outcomes.reduce((last, outcome) => afterProbe(last, { outcome, rules }), state);
}

const cases: readonly (readonly [string, ProbeState, ProbeState])[] = [
  ["up after the first success", after(fresh, "ok"), up],
  ["unknown after a first failure", after(fresh, "failed"), { t: "unknown", tries: 1 }],
  [
    "down after ten failures from the start",
    after(fresh, ...Array<"failed">(10).fill("failed")),
    down,
  ],
  ["still up after one failure", after(up, "failed"), { t: "up", failures: 1 }],
  ["down after two failures in a row", after(up, "failed", "failed"), down],
  ["up again after a success between two failures", after(up, "failed", "ok"), up],
  ["up after one success when it was down", after(down, "ok"), up],
  [
    "unmoved by a probe that could not be judged",
    after(up, "failed", "void"),
    { t: "up", failures: 1 },
  ],
];
for (const [what, actual, expected] of cases) {
  test(`afterProbe() leaves a workload ${what}`, () => assert.deepEqual(actual, expected));
}

test("afterProbe() waits for as many successes as the rules want", () => {
  const careful = { ...rules, successesToRise: 2 };
  const first = afterProbe(down, { outcome: "ok", rules: careful });
  assert.deepEqual(first, { t: "down", successes: 1 });
  assert.deepEqual(afterProbe(first, { outcome: "ok", rules: careful }), up);
  assert.deepEqual(afterProbe(first, { outcome: "failed", rules: careful }), down);
});

test("initialProbeState() trusts a workload that already served until its first results", () => {
  assert.deepEqual(initialProbeState(true), up);
  assert.deepEqual(after(initialProbeState(true), "failed", "failed"), down);
});

test("nextProbeInMs() looks again at once while there is a doubt, and spreads probes by 10 % either way", () => {
  assert.equal(nextProbeInMs(up, rules, 0.5), 1000);
  assert.equal(nextProbeInMs(down, rules, 0), 900);
  assert.equal(nextProbeInMs({ t: "up", failures: 1 }, rules, 0.5), 100);
  assert.equal(nextProbeInMs(fresh, rules, 0.5), 100);
  assert.ok(nextProbeInMs(up, rules, 0.999) < 1100);
});

const combinations: readonly (readonly [Health, ProbeState, Health])[] = [
  ["healthy", up, "healthy"],
  ["draining", up, "draining"],
  ["unhealthy", up, "unhealthy"],
  ["healthy", down, "unhealthy"],
  ["draining", down, "unhealthy"],
  ["healthy", fresh, "unhealthy"],
];
for (const [declared, state, expected] of combinations) {
  test(`probedEndpoint() is ${expected} when declared ${declared} and probed ${state.t}`, () => {
    const endpoint: Endpoint = {
      workload: "cart-1",
      address: "10.0.0.1",
      ports: { http: 8080 },
      zone: "",
      health: declared,
      probe: { t: "tcp", port: 8080 },
    };
    const probed = probedEndpoint(endpoint, state);
    assert.equal(probed.health, expected);
    assert.equal("probe" in probed, false);
  });
}
