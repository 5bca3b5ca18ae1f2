import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Candidate } from "../../../src/discovery/members/last-resort.ts";
import { usesOf } from "../../../src/discovery/members/last-resort.ts";

const up = { isUsable: true, isReachable: true, share: 1 };
const ramping = { isUsable: true, isReachable: true, share: 0.25 };
const held = { isUsable: false, isReachable: true, share: 1 };
const dead = { isUsable: false, isReachable: false, share: 1 };

function uses(
  candidates: Readonly<Record<string, readonly [number, Candidate<string>["verdict"]]>>,
  healthyLocally = 0,
): unknown {
  const list = Object.entries(candidates).map(([member, [healthy, verdict]]) => ({
    member,
    healthy,
    verdict,
  }));
  return Object.fromEntries(
    [...usesOf(list, { healthyLocally })].map(([member, use]) => [
      member,
      use.isUsable ? use.share : 0,
    ]),
  );
}

test("a member held for dead is not used while another serves", () => {
  assert.deepEqual(uses({ a: [3, dead], b: [1, up] }), { a: 0, b: 1 });
});

test("a member held for dead is not used while healthy local endpoints serve", () => {
  assert.deepEqual(uses({ a: [3, dead] }, 1), { a: 0 });
});

test("all members held for dead at once stay in use", () => {
  assert.deepEqual(uses({ a: [3, dead], b: [2, dead] }), { a: 1, b: 1 });
});

test("the dead one of two members stays in use when the other has nothing healthy", () => {
  assert.deepEqual(uses({ a: [3, dead], b: [0, up] }), { a: 1, b: 1 });
});

test("published death always counts: nothing healthy is no last resort", () => {
  assert.deepEqual(uses({ a: [0, dead], b: [0, dead] }), { a: 0, b: 0 });
});

test("of several last resorts those whose gateways answer come first", () => {
  assert.deepEqual(uses({ a: [3, dead], b: [2, held] }), { a: 0, b: 1 });
});

test("a last resort returns at once with all its weight", () => {
  assert.deepEqual(uses({ a: [3, ramping], b: [2, dead] }), { a: 1, b: 0 });
  assert.deepEqual(uses({ a: [3, held] }), { a: 1 });
});

test("a member not used although its gateways answer is told from one that is dead", () => {
  const list = [
    { member: "a", healthy: 1, verdict: held },
    { member: "b", healthy: 1, verdict: dead },
    { member: "c", healthy: 1, verdict: up },
  ];
  const returning = [...usesOf(list, { healthyLocally: 1 })].map(([, use]) => use.isReturning);
  assert.deepEqual(returning, [true, false, false]);
});

test("a member that returns ramps while another serves in full", () => {
  assert.deepEqual(uses({ a: [3, ramping], b: [2, up] }), { a: 0.25, b: 1 });
});

test("whatever is inferred, a service that somebody publishes as healthy keeps a usable endpoint", () => {
  const verdict = fc.constantFrom(up, ramping, held, dead);
  const candidate = fc.record({ member: fc.nat(), healthy: fc.nat({ max: 3 }), verdict });
  fc.assert(
    fc.property(fc.uniqueArray(candidate, { selector: (one) => one.member }), (candidates) => {
      const result = usesOf(candidates, { healthyLocally: 0 });
      const serves = candidates.filter((one) => one.healthy > 0);
      const used = serves.filter((one) => result.get(one.member)?.isUsable === true);
      assert.equal(used.length > 0, serves.length > 0);
    }),
  );
});
