import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type {
  Lease,
  MemberState,
  MemberStates,
  Probe,
} from "../../../src/discovery/members/member-state.ts";
import {
  createMemberStates,
  probeKey,
  stateOf,
} from "../../../src/discovery/members/member-state.ts";
import { east } from "../support/made.ts";

const second = 1000;
const hour = 3_600_000;
const gateway = { member: east, address: "192.0.2.1", port: 15_443 };
let states: MemberStates;

beforeEach(() => {
  states = createMemberStates();
  states.setLease({ member: east, lease: "live", nowMs: 0 });
  probe(true, 0);
});

function probe(isAlive: boolean, nowMs: number): boolean {
  return states.setProbe({ ...gateway, isAlive, nowMs });
}

function tickTo(nowMs: number, isAnyHubReadable = true): void {
  states.tick({ nowMs, isAnyHubReadable });
}

function look(): unknown[] {
  const { state, isUsable, share } = states.verdictOf(east);
  return [state, isUsable, share];
}

const table: readonly (readonly [Lease, Probe, MemberState])[] = [
  ["live", "ok", "live"],
  ["lost", "ok", "stale"],
  ["live", "failing", "unreachable"],
  ["lost", "failing", "down"],
];
for (const [lease, result, state] of table) {
  test(`stateOf() is ${state} with a ${lease} lease and a probe that is ${result}`, () => {
    assert.equal(stateOf(lease, result), state);
  });
}

test("a member never heard of is taken at its records' word", () => {
  const { isUsable, share, isExpired } = createMemberStates().verdictOf(east);
  assert.deepEqual([isUsable, share, isExpired], [true, 1, false]);
});

test("a lost lease alone changes the name of the state and nothing else", () => {
  assert.equal(states.setLease({ member: east, lease: "lost", nowMs: 5 }), true);
  assert.deepEqual(look(), ["stale", true, 1]);
});

test("a member whose gateways all fail is unreachable at once, one living gateway is enough", () => {
  states.setProbe({ ...gateway, address: "192.0.2.2", isAlive: true, nowMs: 0 });
  assert.equal(probe(false, second), false);
  assert.deepEqual(look(), ["live", true, 1]);
  states.setProbe({ ...gateway, address: "192.0.2.2", isAlive: false, nowMs: second });
  assert.deepEqual(look(), ["unreachable", false, 1]);
});

test("a gateway that is no longer published does not count", () => {
  states.setProbe({ ...gateway, address: "192.0.2.2", isAlive: true, nowMs: 0 });
  probe(false, second);
  states.keepProbes({ member: east, addresses: new Set([probeKey(gateway)]), nowMs: second });
  assert.deepEqual(look(), ["unreachable", false, 1]);
});

test("bytes from that member in the last 3 s veto unreachable", () => {
  states.setEvidence({ member: east, atMs: second, nowMs: 1500 });
  probe(false, 2 * second);
  assert.deepEqual(look(), ["live", true, 1]);
  tickTo(3999);
  assert.deepEqual(look(), ["live", true, 1]);
  tickTo(4000);
  assert.deepEqual(look(), ["unreachable", false, 1]);
});

test("a member returns after 5 s of success with 25, 50 and 100 % of its weight", () => {
  probe(false, 0);
  probe(true, 10 * second);
  assert.deepEqual(look(), ["live", false, 1]);
  tickTo(14_999);
  assert.deepEqual(look(), ["live", false, 1]);
  tickTo(15_000);
  assert.deepEqual(look(), ["live", true, 0.25]);
  tickTo(20_000);
  assert.deepEqual(look(), ["live", true, 0.5]);
  tickTo(25_000);
  assert.deepEqual(look(), ["live", true, 1]);
});

test("a gateway that was not up yet when we looked joins with its first answer", () => {
  const fresh = createMemberStates();
  fresh.setLease({ member: east, lease: "live", nowMs: 0 });
  fresh.setProbe({ ...gateway, isAlive: false, nowMs: 0 });
  assert.equal(fresh.verdictOf(east).isUsable, false);
  fresh.setProbe({ ...gateway, isAlive: true, nowMs: 10 });
  const { isUsable, share } = fresh.verdictOf(east);
  assert.deepEqual([isUsable, share], [true, 1]);
  fresh.setProbe({ ...gateway, isAlive: false, nowMs: 20 });
  fresh.setProbe({ ...gateway, isAlive: true, nowMs: 30 });
  assert.equal(fresh.verdictOf(east).isUsable, false);
});

test("success that is interrupted starts over", () => {
  probe(false, 0);
  probe(true, 1000);
  probe(false, 4000);
  probe(true, 5000);
  tickTo(9999);
  assert.deepEqual(look(), ["live", false, 1]);
  tickTo(10_000);
  assert.deepEqual(look(), ["live", true, 0.25]);
});

test("the hold-down doubles with each flap up to 5 min, and is forgiven after 10 quiet minutes", () => {
  let nowMs = 0;
  const holdMs = (): number => {
    probe(false, nowMs);
    probe(true, nowMs);
    const fromMs = nowMs;
    while (!states.verdictOf(east).isUsable) tickTo((nowMs += 500));
    return nowMs - fromMs;
  };
  const holds = Array.from({ length: 9 }, holdMs).map((ms) => ms / second);
  assert.deepEqual(holds, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
  tickTo((nowMs += 10 * second));
  tickTo((nowMs += 601 * second));
  assert.equal(holdMs(), 5 * second);
});

test("a member down for 24 h expires, the time without a readable hub not counted", () => {
  probe(false, 0);
  states.setLease({ member: east, lease: "lost", nowMs: 0 });
  tickTo(0);
  for (let nowMs = second; nowMs <= 23 * hour; nowMs += hour) tickTo(nowMs);
  tickTo(23 * hour);
  for (let passed = 1; passed <= 10; passed += 1) tickTo((23 + passed) * hour, false);
  assert.equal(states.verdictOf(east).isExpired, false);
  tickTo(33 * hour + 30 * 60 * second);
  assert.equal(states.verdictOf(east).isExpired, false);
  tickTo(34 * hour);
  assert.equal(states.verdictOf(east).isExpired, true);
});

test("a member that is only unreachable or only silent never expires", () => {
  probe(false, 0);
  for (let nowMs = 0; nowMs <= 50 * hour; nowMs += hour) tickTo(nowMs);
  assert.equal(states.verdictOf(east).isExpired, false);
  probe(true, 50 * hour);
  states.setLease({ member: east, lease: "lost", nowMs: 50 * hour });
  for (let nowMs = 50 * hour; nowMs <= 100 * hour; nowMs += hour) tickTo(nowMs);
  assert.equal(states.verdictOf(east).isExpired, false);
});

test("a short return in between starts the 24 h anew", () => {
  probe(false, 0);
  states.setLease({ member: east, lease: "lost", nowMs: 0 });
  for (let nowMs = 0; nowMs <= 20 * hour; nowMs += hour) tickTo(nowMs);
  states.setLease({ member: east, lease: "live", nowMs: 20 * hour });
  states.setLease({ member: east, lease: "lost", nowMs: 20 * hour + second });
  for (let nowMs = 20 * hour + second; nowMs <= 43 * hour; nowMs += hour) tickTo(nowMs);
  assert.equal(states.verdictOf(east).isExpired, false);
});

test("tick() names exactly the members whose verdict changed", () => {
  assert.deepEqual(states.tick({ nowMs: 5, isAnyHubReadable: true }), []);
  probe(false, 10);
  probe(true, 10);
  assert.deepEqual(states.tick({ nowMs: 5010, isAnyHubReadable: true }), [east]);
});
