import assert from "node:assert/strict";
import type { TestContext } from "node:test";

/** Skips a test that lacks a tool; in CI nothing may be missing. */
export function skipUnlessCi(t: TestContext, missing: string): void {
  assert.equal(process.env["CI"], undefined, `Cannot judge without ${missing}`);
  t.skip(`needs ${missing}`);
}
