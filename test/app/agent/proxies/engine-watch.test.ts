import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngineWatch } from "../../../../src/app/agent/proxies/engine-watch.ts";

function watchAt(): { watch: ReturnType<typeof createEngineWatch>; passMs: (ms: number) => void } {
  let nowMs = 0;
  const watch = createEngineWatch({ nowMs: () => 0, monotonicMs: () => nowMs });
  return { watch, passMs: (ms) => void (nowMs += ms) };
}

const cart = "sidecar/shop/cart-1/0a1b2c3d";

test("EngineWatch names a proxy that was started again, for ten minutes", () => {
  const { watch, passMs } = watchAt();
  watch.note({ id: cart, metadata: { restarts: 3 } });
  const [finding] = watch.findings();
  assert.equal(finding?.code, "PROXY_ENGINE_RESTARTED");
  assert.equal(finding.subject, "shop/cart-1");
  assert.match(finding.message, /3 times/);
  passMs(599_000);
  assert.equal(watch.findings().length, 1);
  passMs(2_000);
  assert.deepEqual(watch.findings(), []);
});

for (const metadata of [
  {},
  { restarts: 0 },
  { restarts: "7" },
  { restarts: -1 },
  { restarts: 1.5 },
  null,
  [],
]) {
  test(`EngineWatch takes ${JSON.stringify(metadata)} for no restart`, () => {
    const { watch } = watchAt();
    watch.note({ id: cart, metadata });
    assert.deepEqual(watch.findings(), []);
  });
}

test("EngineWatch believes no gRPC program, whose name nothing proves", () => {
  const { watch } = watchAt();
  watch.note({ id: "grpc/shop/cart-1", metadata: { restarts: 3 } });
  assert.deepEqual(watch.findings(), []);
});

test("EngineWatch names no more than twenty, the last ones", () => {
  const { watch } = watchAt();
  for (let index = 0; index < 1_100; index += 1) {
    watch.note({ id: `sidecar/shop/cart-${index}/0`, metadata: { restarts: 1 } });
  }
  const subjects = watch.findings().map(({ subject }) => subject);
  assert.deepEqual([subjects.length, subjects.at(-1)], [20, "shop/cart-1099"]);
});
