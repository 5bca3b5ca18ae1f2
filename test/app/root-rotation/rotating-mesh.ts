import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { RotationMemberAnswer } from "../../../src/app/api-model.ts";
import { agentAt } from "../../../src/app/root-rotation/agent-at.ts";
import { type Retirement, retireRootOf } from "../../../src/app/root-rotation/retire-root.ts";
import { type RotationHands, takeStep } from "../../../src/app/root-rotation/rotate-root.ts";
import type { TrustedCharter } from "../../../src/trust/charter.ts";
import { startMember, type TestMember, TestMesh } from "../support/test-mesh.ts";

/** A mesh whose member east may use the root, and whose others ask it for issuers. */
export interface RotatingMesh extends AsyncDisposable {
  readonly mesh: TestMesh;
  readonly east: TestMember;
  readonly hands: RotationHands;
  /** All steps but the last, one after the other. */
  readonly untilDrain: () => Promise<void>;
  readonly retire: (change?: Partial<Retirement>) => Promise<TrustedCharter>;
  readonly start: (name: string, region: string) => Promise<TestMember>;
}

export async function openRotatingMesh(names: readonly string[]): Promise<RotatingMesh> {
  const mesh = await TestMesh.open();
  mesh.checkEveryMs = 1000;
  for (const name of ["east", ...names]) await mesh.issue(name, `region-of-${name}`);
  const dir = join(mesh.dir, "root");
  mesh.trust.set("east", { signer: { t: "file", file: join(dir, "root.key") } });
  const east = await startMember(mesh, "east", "region-of-east");
  const agent = agentAt(east.agent.httpUrl);
  const key = { t: "file", file: join(dir, "root.key") } as const;
  const hands: RotationHands = { dir, key, agent, nowMs: () => Date.now() };
  return {
    mesh,
    east,
    hands,
    start: async (name, region) => {
      mesh.trust.set(name, { renewAt: [east.agent.xds] });
      return await startMember(mesh, name, region);
    },
    untilDrain: async () => {
      await takeStep(hands, { t: "start" });
      await takeStep(hands, { t: "activate" });
      await takeStep(hands, { t: "drain" });
    },
    retire: async (change = {}) =>
      await retireRootOf(hands, {
        status: agent.status,
        waive: [],
        isEmergency: false,
        onWaiting: () => undefined,
        onCutOff: (missing: readonly RotationMemberAnswer[]) => assert.deepEqual(missing, []),
        pause: (ms) => wait(ms),
        limitMs: 60_000,
        ...change,
      }),
    [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose](),
  };
}
