import assert from "node:assert/strict";
import { test } from "node:test";
import { createMergeQueue } from "../../../../src/app/agent/core/merge-queue.ts";

function made(): {
  queue: ReturnType<typeof createMergeQueue<string>>;
  done: string[];
  asked: () => number;
} {
  const done: string[] = [];
  let asked = 0;
  const queue = createMergeQueue<string>({
    handle: (key) => done.push(key),
    schedule: () => {
      asked += 1;
    },
  });
  return { queue, done, asked: () => asked };
}

test("add() asks for one turn, however much joins it", () => {
  const { queue, asked } = made();
  queue.add(["a"]);
  queue.add(["b", "a"]);
  assert.equal(asked(), 1);
});

test("flush() handles each key once and in slices", () => {
  const { queue, done } = made();
  queue.add(["a", "b", "a", "c"]);
  assert.equal(queue.flush(2), true);
  assert.equal(queue.flush(2), false);
  assert.deepEqual(done, ["a", "b", "c"]);
  assert.ok(queue.isEmpty());
});

test("add() of nothing asks for nothing", () => {
  const { queue, asked } = made();
  queue.add([]);
  assert.equal(asked(), 0);
});
