import { visible } from "../../../mesh/visible.ts";
import type { HubFinding } from "../hub-finding.ts";

/** What an operator does about it; docs/errors.md says more about each. */
const remedies: Readonly<Record<string, string>> = {
  CATALOG_HEAD_REFUSED:
    "somebody else writes there, or that member was issued anew: compare its issuer with the charter (isthmus trust show), and the hub's rights with `isthmus hub acl`",
  CATALOG_SHARD_UNFIT:
    "the hub lost or mixed writes, or somebody changed them; its owner sends all again within a minute. If it stays, check who may write (isthmus hub check)",
  CATALOG_SHARD_CONFLICT: "two agents of that member run with one identity: end one of them",
  CATALOG_CLAIM_DROPPED:
    "correct that member, or its charter entry (isthmus trust issue member --renew)",
  CATALOG_RECORD_NEWER:
    "upgrade isthmus here to read it; agents keep the last record that they could read",
  CATALOG_RECORD_REFUSED: "that member runs something else: compare versions (isthmus members)",
  CATALOG_SIGNER_EXPIRED: "that member's agent does not run, or cannot renew: isthmus status there",
  CATALOG_LEASE_LOST:
    "that member's agent does not run or does not reach this hub: isthmus status there",
  CATALOG_CLOCK_SKEW: "look after NTP there and here",
  CATALOG_SHARD_ABSENT: "its agent does not run, or does not name this hub in catalog.hubs",
  CATALOG_MEMBER_UNKNOWN:
    "agents ignore them. Delete their keys if they left the mesh; else check who may write (isthmus hub acl)",
  CATALOG_HUB_BEHIND:
    "its owner compares every few seconds and sends what is missing; if it stays, isthmus status there",
  TRUST_CHARTER_REFUSED: "somebody else writes there: check the hub's rights (isthmus hub acl)",
  TRUST_CHARTER_CONFLICT:
    "the root's folder was used in two places at once: issue any member with --renew from the right one",
  HUB_UNREACHABLE: "isthmus hub check says more",
};

// A sentence about what others wrote may hold much of it.
const maxMessageLength = 400;

/** A finding of `catalog verify`. The message may quote what others wrote. */
export function catalogFinding(
  code: string,
  severity: HubFinding["severity"],
  texts: { readonly subject: string; readonly message: string },
): HubFinding {
  const message = visible(texts.message, maxMessageLength);
  const subject = visible(texts.subject);
  return { code, severity, subject, message, remedy: remedies[code] ?? "see docs/errors.md" };
}
