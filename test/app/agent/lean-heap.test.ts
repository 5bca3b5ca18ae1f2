import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

// In a process of its own: the flags hold for the whole of one.
const program = `
import { getHeapSpaceStatistics } from "node:v8";
import { keepHeapLean } from ${JSON.stringify(import.meta.resolve("../../../src/app/agent/lean-heap.ts"))};
keepHeapLean(Promise.resolve());
const kept = new Map();
for (let index = 0; index < 400_000; index += 1) kept.set(index % 100_000, { index, list: [index] });
const young = getHeapSpaceStatistics().find((one) => one.space_name === "new_space");
process.stdout.write(String(young.space_size));
`;

test("keepHeapLean() bounds the space of short-lived things, whatever passes through", () => {
  const args = ["--input-type=module", "-e", program];
  const bytes = Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
  assert.ok(bytes > 1_000_000 && bytes < 20_000_000, `${bytes} bytes`);
});
