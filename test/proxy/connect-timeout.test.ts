import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { connectTimeoutMsFor, nextConnectTimeout } from "../../src/proxy/connect-timeout.ts";

suite("connectTimeoutMsFor()", () => {
  test("is three round trips in coarse steps, at least half a second", () => {
    const cases = [
      [0, 500],
      [166, 500],
      [167, 1_000],
      [334, 2_000],
      [900, 4_000],
      [9_000, 4_000],
    ] as const;
    for (const [rttMs, timeoutMs] of cases) {
      assert.equal(connectTimeoutMsFor(rttMs), timeoutMs);
    }
  });
});

suite("nextConnectTimeout()", () => {
  const near = 60;
  const slow = 560;
  const short = { timeoutMs: 500 };
  const at = (nowMs: number, rttMs = near, isFailover = false) => ({ nowMs, rttMs, isFailover });

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
