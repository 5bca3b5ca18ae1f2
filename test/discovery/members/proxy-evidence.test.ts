import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { MemberVerdict } from "../../../src/discovery/members/member-state.ts";
import {
  createProxyEvidence,
  type Passing,
  type ProxyEvidence,
  throughPassage,
} from "../../../src/discovery/members/proxy-evidence.ts";
import { parseServiceId } from "../../../src/mesh/ids.ts";
import { east, west } from "../support/made.ts";

const second = 1000;
const minute = 60_000;
const cart = parseServiceId("shop/cart");
const key = { service: cart, member: west };
let evidence: ProxyEvidence;

beforeEach(() => {
  evidence = createProxyEvidence();
});

function note(voter: string, what: "heard" | "connected" | "failed", nowMs: number): boolean {
  const passing: Passing = {
    ...key,
    voter,
    hasHeard: what === "heard",
    hasConnected: what === "connected",
    hasFailed: what === "failed",
  };
  return evidence.note(passing, nowMs);
}

function look(): unknown[] {
  const { isUsable, share } = evidence.passageOf(key);
  return [isUsable, share];
}

function tickTo(nowMs: number): void {
  evidence.tick(nowMs);
}

/** Two proxies fail at that time. */
function block(nowMs: number): void {
  note("shop/a", "failed", nowMs);
  note("shop/b", "failed", nowMs);
}

test("one proxy that fails may be cut off by itself: nothing changes", () => {
  for (let nowMs = 0; nowMs < minute; nowMs += second)
    assert.equal(note("shop/a", "failed", nowMs), false);
  assert.deepEqual(look(), [true, 1]);
});

test("two proxies that fail, and none that succeeds, take the service out of that member", () => {
  assert.equal(note("shop/a", "failed", 0), false);
  assert.equal(note("shop/b", "failed", second), true);
  assert.deepEqual(look(), [false, 1]);
  assert.deepEqual(
    evidence.blocked().map(({ member }) => member),
    [west],
  );
  assert.deepEqual(evidence.passageOf({ service: cart, member: east }), {
    isUsable: true,
    share: 1,
  });
  const other = { service: parseServiceId("shop/other"), member: west };
  assert.deepEqual(evidence.passageOf(other), { isUsable: true, share: 1 });
});

test("failures further apart than a proxy waits for an ejected host are not one failure", () => {
  note("shop/a", "failed", 0);
  note("shop/b", "failed", 15 * second);
  assert.deepEqual(look(), [true, 1]);
});

test("a proxy that ejected the host and says nothing more still counts, until somebody gets through", () => {
  note("shop/b", "connected", 0);
  note("shop/a", "failed", second);
  tickTo(8 * second);
  note("shop/b", "failed", 9 * second);
  assert.deepEqual(look(), [false, 1]);

  evidence = createProxyEvidence();
  note("shop/a", "failed", second);
  note("shop/b", "connected", 2 * second);
  note("shop/b", "failed", 9 * second);
  assert.deepEqual(look(), [true, 1]);
});

for (const what of ["heard", "connected"] as const) {
  test(`one proxy that ${what} in the last 3 s outweighs any number that fail`, () => {
    note("shop/lucky", what, 0);
    for (let nowMs = 0; nowMs < 3 * second; nowMs += 500) block(nowMs);
    assert.deepEqual(look(), [true, 1]);
    block(3 * second);
    assert.deepEqual(look(), [false, 1]);
  });
}

test("after 5 s it is tried with a tenth of its weight, and success brings it back in steps", () => {
  block(0);
  tickTo(4999);
  assert.deepEqual(look(), [false, 1]);
  tickTo(5000);
  assert.deepEqual(look(), [true, 0.1]);
  note("shop/a", "connected", 6000);
  assert.deepEqual(look(), [true, 0.25]);
  tickTo(11_000);
  assert.deepEqual(look(), [true, 0.5]);
  tickTo(16_000);
  assert.deepEqual(look(), [true, 1]);
});

test("a trial that nobody uses goes on, one that fails holds back twice as long", () => {
  block(0);
  tickTo(5000);
  tickTo(minute);
  assert.deepEqual(look(), [true, 0.1]);
  note("shop/a", "failed", minute);
  assert.deepEqual(look(), [false, 1]);
  tickTo(minute + 9999);
  assert.deepEqual(look(), [false, 1]);
  tickTo(minute + 10_000);
  assert.deepEqual(look(), [true, 0.1]);
});

test("the hold doubles up to 5 min, and is forgiven after 10 quiet minutes", () => {
  let nowMs = 0;
  const holds: number[] = [];
  block(nowMs);
  for (let round = 0; round < 9; round += 1) {
    const fromMs = nowMs;
    while (!evidence.passageOf(key).isUsable) tickTo((nowMs += second));
    holds.push(nowMs - fromMs);
    note("shop/a", "failed", ++nowMs);
  }
  assert.deepEqual(
    holds.map((ms) => Math.round(ms / second)),
    [5, 10, 20, 40, 80, 160, 300, 300, 300],
  );
  while (!evidence.passageOf(key).isUsable) tickTo((nowMs += second));
  note("shop/a", "heard", ++nowMs);
  tickTo((nowMs += 10 * second));
  assert.deepEqual(look(), [true, 1]);
  tickTo((nowMs += 10 * minute));
  block((nowMs += second));
  tickTo(nowMs + 4999);
  assert.deepEqual(look(), [false, 1]);
  tickTo(nowMs + 5000);
  assert.deepEqual(look(), [true, 0.1]);
});

test("a last resort that lets somebody through is back before its time", () => {
  block(0);
  note("shop/a", "connected", second);
  assert.deepEqual(look(), [true, 0.25]);
});

test("what is left over when a block ends is not the next block's vote", () => {
  block(0);
  note("shop/c", "failed", 4999);
  tickTo(5000);
  assert.deepEqual(look(), [true, 0.1]);
});

test("bytes vouch for a member for 3 s; a connect does not", () => {
  note("shop/a", "connected", 0);
  assert.equal(evidence.isHeard(west, 0), false);
  note("shop/a", "heard", second);
  assert.equal(evidence.isHeard(west, 3999), true);
  assert.equal(evidence.isHeard(west, 4000), false);
});

test("one proxy that says it hears does not outweigh two that cannot connect", () => {
  note("shop/liar", "heard", 0);
  note("shop/a", "failed", 0);
  assert.equal(evidence.isHeard(west, 0), true);
  note("shop/b", "failed", 0);
  assert.equal(evidence.isHeard(west, 0), false);
  note("shop/b", "heard", 0);
  assert.equal(evidence.isHeard(west, 0), true);
});

test("a proxy that borrows names gains no memory by it", () => {
  for (let index = 0; index < 1000; index += 1) note(`shop/${index}`, "heard", 0);
  assert.equal(evidence.isHeard(west, 0), true);
  tickTo(minute);
  assert.equal(evidence.isHeard(west, minute), false);
});

test("forget() knows nothing of that member any more", () => {
  block(0);
  note("shop/a", "heard", second);
  evidence.forget(west);
  assert.deepEqual(look(), [true, 1]);
  assert.equal(evidence.isHeard(west, second), false);
});

const live: MemberVerdict = {
  state: "live",
  isUsable: true,
  isReachable: true,
  share: 0.5,
  isExpired: false,
};
for (const [name, passage, wanted] of [
  ["no passage known", undefined, [true, true, 0.5]],
  ["an open one", { isUsable: true, share: 1 }, [true, true, 0.5]],
  ["a trial", { isUsable: true, share: 0.1 }, [true, true, 0.1]],
  ["none", { isUsable: false, share: 1 }, [false, false, 0.5]],
] as const) {
  test(`throughPassage() of a member that returns, with ${name}, is ${wanted.join(", ")}`, () => {
    const { isUsable, isReachable, share } = throughPassage(live, passage);
    assert.deepEqual([isUsable, isReachable, share], wanted);
  });
}
