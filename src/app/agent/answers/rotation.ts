import type { RotationRecord } from "../../../discovery/shards/rotation-record.ts";
import { charterMember } from "../../../mesh/charter.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Finding } from "../../../mesh/service.ts";
import {
  judgeReadiness,
  type MemberWord,
  type Readiness,
} from "../../../trust/root-rotation/readiness.ts";
import type { RotationAnswer, RotationMemberAnswer } from "../../api-model.ts";
import type { AgentView } from "../agent-view.ts";

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

/** While the root is rotated: who is waited for, so that nobody forgets it. */
export function rotationFindings(
  view: Pick<AgentView, "core" | "trust" | "config" | "rotation">,
): readonly Finding[] {
  const { charter } = view.trust.charter();
  if (charter.rotation === undefined) return [];
  const { missing } = readinessOf(view);
  const names = missing.filter(({ isWaived }) => !isWaived).map(({ member }) => member);
  const rest = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : "";
  const waits =
    names.length === 0
      ? "nobody is waited for: take the next step"
      : `waits for ${names.slice(0, maxNamed).join(", ")}${rest}`;
  return [
    {
      code: "TRUST_ROTATION_UNDER_WAY",
      severity: "info",
      subject: view.config.mesh,
      message: `the root is being rotated (${charter.rotationStep}): ${waits} (isthmus trust rotate status)`,
    },
  ];
}

const maxNamed = 5;

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

type Known = Pick<AgentView, "core" | "trust" | "config" | "rotation">;

function readinessOf(view: Known): Readiness {
  const { charter, bundle } = view.trust.charter();
  const isHere = (name: MemberName): boolean => charterMember(charter, name) !== undefined;
  if (charter.rotation === undefined) return { missing: [], isReady: true };
  return judgeReadiness({
    charter,
    bundleDigest: bundle.digest,
    wordOf: (name) => (isHere(name) ? wordOf(name, view) : undefined),
  });
}

function wordOf(name: MemberName, view: Known): MemberWord | undefined {
  const { core, trust, config } = view;
  const isSelf = name === config.member.name;
  const shard = core.catalog.shard(name)?.memberRecord();
  if (!isSelf && shard === undefined) return undefined;
  const record = recordOf(name, view);
  const isLive =
    isSelf ||
    core.catalog.memberStatus().some(({ member, lease }) => member === name && lease === "live");
  return {
    isLive,
    bundleDigest: isSelf ? trust.charter().bundle.digest : shard?.bundleDigest,
    charter: record?.charter,
    issuerRoot: record?.issuerRoot,
    proxies: record,
  };
}

/** The own one is in memory, and newer than what was published. */
function recordOf(name: MemberName, { core, config, rotation }: Known): RotationRecord | undefined {
  if (name === config.member.name) return rotation.record();
  return core.catalog.shard(name)?.memberRecord()?.rotation;
}
