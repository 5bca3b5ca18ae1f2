import { join } from "node:path";
import { agentAt } from "../root-rotation/agent-at.ts";
import { retireRootOf } from "../root-rotation/retire-root.ts";
import { type RotationHands, takeStep } from "../root-rotation/rotate-root.ts";
import { rootDir } from "./demo-trust.ts";
import { pause } from "./pause.ts";

/** The steps that an operator takes to replace the root, each until it has done its work. */
export interface DemoRotation {
  /** Both roots are trusted by every proxy. */
  readonly publish: () => Promise<void>;
  /** Every member issues under the new root. */
  readonly activate: () => Promise<void>;
  /** Nothing is in use under the old root. */
  readonly drain: () => Promise<void>;
  /** The old root is trusted no more, by nobody. */
  readonly retire: () => Promise<void>;
}

const limitMs = 60_000;

export function createDemoRotation(world: {
  readonly dir: string;
  /** Of the agent that may use the root. */
  readonly httpUrl: string;
  readonly signal: AbortSignal;
}): DemoRotation {
  const { httpUrl, signal } = world;
  const dir = rootDir(world.dir);
  const agent = agentAt(httpUrl);
  const key = { t: "file", file: join(dir, "root.key") } as const;
  const hands: RotationHands = { dir, key, agent, nowMs: () => Date.now() };
  const untilReady = async (): Promise<void> => {
    while (!signal.aborted && !(await agent.status()).isReady) await pause(100, signal);
  };
  const step = (t: "start" | "activate" | "drain") => async (): Promise<void> => {
    await takeStep(hands, { t });
    // Only the last step has to wait; here each is shown whole.
    if (t !== "activate") await untilReady();
  };
  return {
    publish: step("start"),
    activate: step("activate"),
    drain: step("drain"),
    retire: async () => {
      await retireRootOf(hands, {
        status: agent.status,
        waive: [],
        isEmergency: false,
        onWaiting: () => undefined,
        onCutOff: () => undefined,
        pause: (ms) => pause(ms, signal),
        limitMs,
      });
    },
  };
}
