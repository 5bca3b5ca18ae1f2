import assert from "node:assert/strict";
import { test } from "node:test";
import { createImportWait } from "../../../src/app/kubernetes/import-wait.ts";

function made(): {
  readonly state: { isKnown: boolean; isRefused: boolean; nowMs: number };
  readonly isOver: () => boolean;
} {
  const state = { isKnown: false, isRefused: false, nowMs: 1000 };
  const isOver = createImportWait({
    isKnown: () => state.isKnown,
    isRefused: () => state.isRefused,
    clock: { monotonicMs: () => state.nowMs },
  });
  return { state, isOver };
}

test("createImportWait() waits until imports are known, and never again", () => {
  const { state, isOver } = made();
  assert.equal(isOver(), false);
  state.isKnown = true;
  assert.equal(isOver(), true);
  state.isKnown = false;
  assert.equal(isOver(), true);
});

test("createImportWait() does not wait for a server that says no", () => {
  const { state, isOver } = made();
  state.isRefused = true;
  assert.equal(isOver(), true);
});

test("createImportWait() waits for 10 s after it was first asked", () => {
  const { state, isOver } = made();
  state.nowMs = 50_000;
  assert.equal(isOver(), false);
  state.nowMs = 59_999;
  assert.equal(isOver(), false);
  state.nowMs = 60_000;
  assert.equal(isOver(), true);
});
