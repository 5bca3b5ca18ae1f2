import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { LeaveWitnesses } from "../../../../src/app/agent/registration/leave-witnesses.ts";
import { takenOver } from "../../../../src/app/agent/registration/taken-over.ts";

const mark = "shop cart 1 7 1";
const never = new AbortController().signal;
const proxies = { isBuilt: () => true, unansweredBy: () => new Set<string>() };

function witnesses(): { readonly all: LeaveWitnesses; readonly clock: { nowMs: number } } {
  const clock = { nowMs: 0 };
  const all = new LeaveWitnesses({
    proxies,
    clock: { monotonicMs: () => clock.nowMs, nowMs: () => clock.nowMs },
  });
  return { all, clock };
}

suite("LeaveWitnesses.others()", () => {
  test("waits for nobody where there is nobody", async () => {
    assert.deepEqual(await witnesses().all.others(mark, never), []);
  });

  test("waits until each other agent has said that its proxies have taken it over", async () => {
    const { all } = witnesses();
    all.hear("b", []);
    all.hear("c", ["shop cart 1 7 0"]);
    let said: readonly string[] | undefined;
    const waiting = all.others(mark, never).then((missing) => {
      said = missing;
    });
    all.hear("b", [mark]);
    await wait(250);
    assert.equal(said, undefined, "c knows of an earlier one only");
    all.hear("c", [mark]);
    await waiting;
    assert.deepEqual(said, []);
  });

  test("names whoever has not when time is up", async () => {
    const { all } = witnesses();
    all.hear("b", []);
    const limit = new AbortController();
    const waiting = all.others(mark, limit.signal);
    limit.abort();
    assert.deepEqual(await waiting, ["agent b"]);
  });

  test("does not wait for one that is silent", async () => {
    const { all, clock } = witnesses();
    all.hear("b", []);
    clock.nowMs = 5_000;
    assert.deepEqual(await all.others(mark, never), []);
  });

  test("believes nothing that is no mark", async () => {
    const { all } = witnesses();
    all.hear("b", [{ mark }, 7, null]);
    const limit = AbortSignal.timeout(50);
    assert.deepEqual(await all.others(mark, limit), ["agent b"]);
  });
});

suite("takenOver()", () => {
  test("waits until all is built, and for those that had not answered then", async () => {
    let isBuilt = false;
    let unanswered = new Set<string>();
    const taken = takenOver(
      { isBuilt: () => isBuilt, unansweredBy: () => unanswered },
      AbortSignal.timeout(10_000),
    );
    unanswered = new Set(["a", "b"]);
    isBuilt = true;
    await wait(200);
    // One that came later has been told the new state from the start.
    unanswered = new Set(["b", "c"]);
    await wait(100);
    unanswered = new Set(["c"]);
    assert.deepEqual(await taken, []);
  });

  test("names those that are late when time is up", async () => {
    const late = { isBuilt: () => true, unansweredBy: () => new Set(["a"]) };
    assert.deepEqual(await takenOver(late, AbortSignal.timeout(300)), ["a"]);
  });
});
