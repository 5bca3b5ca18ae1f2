import { MeshError } from "../../mesh/errors.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { TrustedCharter } from "../../trust/charter.ts";
import type { RotationAnswer, RotationMemberAnswer } from "../api-model.ts";
import { type RotationHands, takeStep } from "./rotate-root.ts";

export interface Retirement {
  /** As the agent that charters are handed to sees it. */
  readonly status: () => Promise<RotationAnswer>;
  /** Not waited for. */
  readonly waive: readonly MemberName[];
  /** Waits for nobody. */
  readonly isEmergency: boolean;
  /** Told whenever those who are waited for, or what is missing there, are others. */
  readonly onWaiting: (missing: readonly RotationMemberAnswer[]) => void;
  /** Told once, of those whose identities end. */
  readonly onCutOff: (missing: readonly RotationMemberAnswer[]) => void;
  readonly pause: (ms: number) => Promise<void>;
  /** How long to wait for acknowledgements, each time. */
  readonly limitMs: number;
}

const lookEveryMs = 500;

/**
 * Takes the old root out of the bundle when every proxy of every member that is waited for stands under the other
 * one, and ends the rotation when all of them have confirmed that. Broken off anywhere, the same call goes on.
 * Throws MESH_TRUST_ROTATION_REFUSED with the names of those who are missing, and as `takeStep`.
 */
export async function retireRootOf(
  hands: RotationHands,
  retirement: Retirement,
): Promise<TrustedCharter> {
  const { waive, isEmergency } = retirement;
  if (waive.length > 0) await takeStep(hands, { t: "waive", names: waive });
  const before = await retirement.status();
  if (before.step === "idle") return await takeStep(hands, { t: "end" });
  if (isEmergency) retirement.onCutOff(missingIn(before, { withWaived: true }));
  else if (before.step === "draining") await untilReady(retirement, "retire the old root");
  await takeStep(hands, { t: "retire", isEmergency });
  if (!isEmergency) await untilReady(retirement, "end the rotation");
  return await takeStep(hands, { t: "end" });
}

function missingIn(
  { members }: RotationAnswer,
  { withWaived }: { readonly withWaived: boolean },
): readonly RotationMemberAnswer[] {
  return members.filter(({ isWaived, reasons }) => reasons.length > 0 && (withWaived || !isWaived));
}

async function untilReady(
  { status, onWaiting, pause, limitMs }: Retirement,
  what: string,
): Promise<void> {
  let said = "";
  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    const answer = await status();
    if (answer.isReady) return;
    const missing = missingIn(answer, { withWaived: false });
    const words = textOf(missing);
    if (words !== said) onWaiting(missing);
    said = words;
    if (waitedMs >= limitMs) {
      throw new MeshError(
        "MESH_TRUST_ROTATION_REFUSED",
        `Cannot ${what}: ${words}; run it again, or give up waiting for a member with --waive NAME`,
      );
    }
    await pause(lookEveryMs);
  }
}

function textOf(missing: readonly RotationMemberAnswer[]): string {
  return missing.map(({ name, reasons }) => `${name}: ${reasons.join(", ")}`).join("; ");
}
