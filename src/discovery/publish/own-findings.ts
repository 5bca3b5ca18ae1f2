import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import type { Finding } from "../../mesh/service.ts";
import type { ShardOwner } from "../shards/head.ts";
import type { HubStatus } from "./hub-status.ts";

const maxNamed = 10;

/** What an operator should know of this member's own part in the catalog. */
export function ownFindings(
  self: MemberName,
  known: {
    readonly held: readonly ServiceId[];
    readonly fencedBy: ShardOwner | undefined;
    readonly hubs: readonly HubStatus[];
  },
): readonly Finding[] {
  const { held, fencedBy } = known;
  const findings: Finding[] = known.hubs
    .filter((hub) => !hub.isReadable || !hub.isWritable)
    .map((hub) => ({
      code: "CATALOG_HUB_UNREACHABLE",
      severity: "warning",
      subject: hub.name,
      message: `${
        hub.isReadable
          ? "this hub takes no writes; others do not see this member's changes through it"
          : "this hub cannot be read; the last state stays"
      }${hub.lastError === undefined ? "" : `: ${hub.lastError.reason}`}`,
    }));
  if (known.hubs.length > 0 && !known.hubs.some((hub) => hub.isReadable)) {
    findings.push({
      code: "CATALOG_CUT_OFF",
      severity: "error",
      subject: self,
      message:
        "no hub can be read: the other members' changes do not arrive here; everything stays as it was last known",
    });
  }
  for (const { name, refusal } of known.hubs) {
    if (refusal === undefined) continue;
    findings.push({
      code: "CATALOG_HUB_LOGIN_STALE",
      severity: "warning",
      subject: name,
      message: `this hub refuses the credentials in this agent's files, and is lost with the connections it has: ${refusal}`,
    });
  }
  if (held.length > 0) {
    const names = held.slice(0, maxNamed).join(", ");
    findings.push({
      code: "CATALOG_WITHDRAWAL_HELD",
      severity: "error",
      subject: self,
      message: `${held.length} exports vanished at once and are still published: ${names}; isthmus catalog confirm lets them go`,
    });
  }
  if (fencedBy !== undefined) {
    findings.push({
      code: "CATALOG_NAME_TAKEN",
      severity: "error",
      subject: self,
      message: `instance ${fencedBy.instance} on ${fencedBy.host} holds this member's name`,
    });
  }
  return findings;
}
