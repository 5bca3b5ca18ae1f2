import type { RotationRecord } from "../../../discovery/shards/rotation-record.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Finding } from "../../../mesh/service.ts";
import {
  judgeReadiness,
  type MemberWord,
  type Readiness,
} from "../../../trust/root-rotation/readiness.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { AgentCore } from "../core/agent-core.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import type { AgentRotation } from "./open-rotation.ts";

/** What an agent knows of a rotation. */
export interface RotationView {
  readonly core: Pick<AgentCore, "catalog">;
  readonly trust: Pick<AgentTrust, "charter">;
  readonly config: Pick<AgentConfig, "mesh" | "member">;
  readonly rotation: Pick<AgentRotation, "record">;
}

/** While the root is rotated: who is waited for, so that nobody forgets it. */
export function rotationFindings(view: RotationView): readonly Finding[] {
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

/** Who has not confirmed what the step in force is about. */
export function readinessOf(view: RotationView): Readiness {
  const { charter, bundle } = view.trust.charter();
  if (charter.rotation === undefined) return { missing: [], isReady: true };
  return judgeReadiness({
    charter,
    bundleDigest: bundle.digest,
    wordOf: (name) => wordOf(name, view),
  });
}

function wordOf(name: MemberName, view: RotationView): MemberWord | undefined {
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
export function recordOf(
  name: MemberName,
  { core, config, rotation }: RotationView,
): RotationRecord | undefined {
  if (name === config.member.name) return rotation.record();
  return core.catalog.shard(name)?.memberRecord()?.rotation;
}
