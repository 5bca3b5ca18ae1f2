import type { RotationRecord } from "../../../discovery/shards/rotation-record.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Readiness } from "../../../trust/root-rotation/readiness.ts";
import type { RotationAnswer, RotationMemberAnswer } from "../../api-model.ts";
import type { AgentView } from "../agent-view.ts";
import { readinessOf, recordOf } from "../rotation/rotation-status.ts";

/** `isthmus trust rotate status` */
export function rotationOf(view: AgentView): RotationAnswer {
  const { charter } = view.trust.charter();
  const { rotation } = charter;
  const readiness = readinessOf(view);
  return {
    step: charter.rotationStep,
    charterNumber: charter.number,
    isReady: readiness.isReady,
    ...(rotation === undefined
      ? {}
      : {
          from: rotation.from,
          to: rotation.to,
          startedMs: rotation.startedMs,
          isUndone: rotation.cross === undefined,
        }),
    members: charter.members
      .filter(({ state }) => state !== "denied")
      .map(({ name }) => memberAnswer(name, { view, readiness })),
  };
}

function memberAnswer(
  name: MemberName,
  { view, readiness }: { readonly view: AgentView; readonly readiness: Readiness },
): RotationMemberAnswer {
  const missing = readiness.missing.find(({ member }) => member === name);
  const record = recordOf(name, view);
  return {
    name,
    isWaived: view.trust.charter().charter.rotation?.waived.includes(name) ?? false,
    reasons: missing?.reasons ?? [],
    ...(record === undefined ? {} : { proxies: proxiesIn(record) }),
  };
}

function proxiesIn(record: RotationRecord): NonNullable<RotationMemberAnswer["proxies"]> {
  const { connected, acknowledged, silent, old, late } = record;
  return { connected, acknowledged, silent, old, late };
}
