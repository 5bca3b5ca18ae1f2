import assert from "node:assert/strict";
import { Socket } from "node:net";
import { suite, type TestContext, test } from "node:test";
import type { EngineContext, Flow } from "../../src/dataplane/io/context.ts";
import { enter, newFlow } from "../../src/dataplane/io/flow.ts";
import { Sweep, tickMs } from "../../src/dataplane/io/sweep.ts";

/** A sweep whose timer and clock the test moves, and a connection that waits for its host for half a second. */
function swept(t: TestContext): {
  readonly flow: Flow;
  readonly passMs: (ms: number, by: { readonly ticks: number }) => void;
} {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let nowMs = 0;
  const context = {
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    counters: {},
    greeting: new Set(),
    connecting: new Set(),
    open: new Set(),
    coarseMs: 0,
  } as unknown as EngineContext;
  const sweep = new Sweep(context);
  t.after(() => sweep.close());
  const raw = new Socket();
  // Nobody is at its other end who could be told of the reset.
  raw.on("error", () => undefined);
  const flow = newFlow(context, { raw, listener: { name: "test", chains: [] } });
  flow.deadlineMs = 500;
  enter(flow, "connecting");
  const passMs = (ms: number, { ticks }: { readonly ticks: number }): void => {
    for (let tick = 0; tick < ticks; tick += 1) {
      nowMs += ms / ticks;
      t.mock.timers.tick(tickMs);
    }
  };
  return { flow, passMs };
}

suite("Sweep", () => {
  test("ends the wait for a host that is silent for the connect timeout", (t) => {
    const { flow, passMs } = swept(t);
    passMs(400, { ticks: 4 });
    assert.equal(flow.phase, "connecting");
    passMs(100, { ticks: 1 });
    assert.equal(flow.phase, "closed");
  });

  test("counts no time in which the process itself did nothing", (t) => {
    const { flow, passMs } = swept(t);
    passMs(200, { ticks: 2 });
    passMs(2000, { ticks: 1 });
    assert.equal(flow.phase, "connecting");
    passMs(100, { ticks: 1 });
    assert.equal(flow.phase, "connecting");
    passMs(200, { ticks: 2 });
    assert.equal(flow.phase, "closed");
  });
});
