import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createHealthJudge,
  type ProbeOutcome,
} from "../../../../src/app/vm/health/health-judge.ts";

const passed: ProbeOutcome = { t: "passed" };
const failed: ProbeOutcome = { t: "failed", reason: "port 80 takes no connection" };
const thresholds = { failureThreshold: 3, successThreshold: 2 };

/** What is told after each outcome: `+`, `-`, or `.` for nothing. */
function told(outcomes: string): string {
  const judge = createHealthJudge(thresholds);
  return outcomes
    .split("")
    .map((one) => judge(one === "+" ? passed : failed))
    .map((change) => (change === undefined ? "." : change.isHealthy ? "+" : "-"))
    .join("");
}

const rows = [
  { outcomes: "++", says: ".+", why: "successes up to the threshold" },
  { outcomes: "-", says: "-", why: "the first failure of all, at once" },
  { outcomes: "+-", says: ".-", why: "a failure before anything was told" },
  { outcomes: "++--+--", says: ".+.....", why: "nothing while failures are too few in a row" },
  { outcomes: "++---", says: ".+..-", why: "failures up to the threshold" },
  { outcomes: "---+-++", says: "-.....+", why: "nothing while successes are too few in a row" },
  { outcomes: "++++---" + "---", says: ".+....-...", why: "each change once" },
];
for (const { outcomes, says, why } of rows) {
  test(`createHealthJudge() tells ${why}: ${outcomes}`, () => {
    assert.equal(told(outcomes), says);
  });
}

test("createHealthJudge() gives the reason of the failure that decided, and none for health", () => {
  const judge = createHealthJudge({ failureThreshold: 1, successThreshold: 1 });
  assert.deepEqual(judge(failed), { isHealthy: false, reason: "port 80 takes no connection" });
  assert.deepEqual(judge(passed), { isHealthy: true });
});
