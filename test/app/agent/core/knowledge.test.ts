import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Knowledge } from "../../../../src/app/agent/core/knowledge.ts";

interface World {
  isBuilt: boolean;
  isCatalogWarm: boolean;
  isAnyMissing: boolean;
  nowMs: number;
  news: number;
}

function unknowing(t: TestContext): { readonly world: World; readonly knowledge: Knowledge } {
  const world: World = {
    isBuilt: false,
    isCatalogWarm: false,
    isAnyMissing: true,
    nowMs: 0,
    news: 0,
  };
  const knowledge = new Knowledge({
    clock: { nowMs: () => 0, monotonicMs: () => world.nowMs },
    isBuilt: () => world.isBuilt,
    isCatalogWarm: () => world.isCatalogWarm,
    isAnyMissing: () => world.isAnyMissing,
    onNews: () => {
      world.news += 1;
    },
  });
  t.after(() => knowledge[Symbol.dispose]());
  return { world, knowledge };
}

test("Knowledge is warm once sources are built and the catalog is warm, and stays so", (t) => {
  const { world, knowledge } = unknowing(t);
  for (const [isBuilt, isCatalogWarm, isWarm] of [
    [true, false, false],
    [false, true, false],
    [true, true, true],
    [false, false, true],
  ] as const) {
    Object.assign(world, { isBuilt, isCatalogWarm });
    knowledge.judge();
    assert.equal(knowledge.isWarm(), isWarm);
  }
  assert.deepEqual([knowledge.isSettled(), world.news], [false, 1]);
});

for (const [why, change] of [
  ["no shard is missing", { isAnyMissing: false }],
  ["ten minutes have passed", { nowMs: 600_000 }],
] as const) {
  test(`Knowledge settles when it is warm and ${why}`, (t) => {
    const { world, knowledge } = unknowing(t);
    Object.assign(world, change);
    knowledge.judge();
    assert.equal(knowledge.isSettled(), false);
    Object.assign(world, { isBuilt: true, isCatalogWarm: true });
    knowledge.judge();
    assert.deepEqual([knowledge.isSettled(), world.news], [true, 1]);
  });
}

test("Knowledge looks by itself from its start on until it settles", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { world, knowledge } = unknowing(t);
  knowledge.start();
  Object.assign(world, { isBuilt: true, isCatalogWarm: true });
  t.mock.timers.tick(25);
  assert.deepEqual([knowledge.isWarm(), knowledge.isSettled()], [true, false]);
  world.isAnyMissing = false;
  t.mock.timers.tick(25);
  assert.equal(knowledge.isSettled(), true);
  world.news = 0;
  t.mock.timers.tick(1000);
  assert.equal(world.news, 0);
});
