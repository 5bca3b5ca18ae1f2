import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

// In a process of its own: the flags hold for the whole of one.
const program = `
import { getHeapSpaceStatistics } from "node:v8";
import { keepHeapLean } from ${JSON.stringify(import.meta.resolve("../../../src/app/agent/lean-heap.ts"))};
keepHeapLean(Promise.resolve());
const kept = new Map();
for (let round = 0; round < 200; round += 1) {
  for (let made = 0; made < 2_000; made += 1) {
    const index = (round * 2_000 + made) % 100_000;
    kept.set(index, { index, list: [index] });
  }
  // As an agent does, which works in slices: what watches has its turn between them.
  await new Promise((resolve) => setTimeout(resolve));
}
const young = getHeapSpaceStatistics().find((one) => one.space_name === "new_space");
process.stdout.write(String(young.space_size));
`;

test("keepHeapLean() bounds the space of short-lived things, whatever passes through", () => {
  const args = ["--input-type=module", "-e", program];
  const bytes = Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
  assert.ok(bytes > 1_000_000 && bytes < 20_000_000, `${bytes} bytes`);
});
