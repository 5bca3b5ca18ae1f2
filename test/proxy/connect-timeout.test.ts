import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { connectTimeoutMsFor, nextConnectTimeout } from "../../src/proxy/connect-timeout.ts";

suite("connectTimeoutMsFor()", () => {
  test("is four usual or three present round trips in coarse steps, at least half a second", () => {
    const cases = [
      [0, 0, 500],
      [125, 125, 500],
      [126, 0, 1_000],
      [251, 0, 2_000],
      [60, 160, 500],
      [60, 560, 2_000],
      [900, 0, 4_000],
      [9_000, 9_000, 4_000],
    ] as const;
    for (const [usualMs, presentMs, timeoutMs] of cases) {
      assert.equal(connectTimeoutMsFor({ usualMs, presentMs }), timeoutMs);
    }
  });
});

suite("nextConnectTimeout()", () => {
  const near = { usualMs: 60, presentMs: 60 };
  const slow = { usualMs: 60, presentMs: 560 };
  const short = { timeoutMs: 500 };
  const at = (nowMs: number, worst = near, isFailover = false) => ({ nowMs, worst, isFailover });

  test("is raised at once, and not during a failover", () => {
    assert.equal(nextConnectTimeout(short, at(0, slow)).timeoutMs, 2_000);
    assert.equal(nextConnectTimeout(short, at(0, slow, true)).timeoutMs, 500);
  });
  test("is lowered after two minutes in which nothing needed it", () => {
    const raised = nextConnectTimeout(short, at(0, slow));
    const waiting = nextConnectTimeout(raised, at(1_000));
    assert.equal(nextConnectTimeout(waiting, at(120_999)).timeoutMs, 2_000);
    assert.equal(nextConnectTimeout(waiting, at(121_000)).timeoutMs, 500);
    const needed = nextConnectTimeout(waiting, at(60_000, slow));
    assert.equal(nextConnectTimeout(needed, at(121_000)).timeoutMs, 2_000);
  });
});
