import type { MemberName } from "../../mesh/ids.ts";

/**
 * Members whose endpoints are removed because they were down too long. What would take more than half
 * of all remote endpoints at once is held: then rather something is wrong here. Source:
 * docs/decisions/silence-removes-nothing.md
 */
export function expiredMembers(
  members: readonly MemberName[],
  known: {
    readonly isExpired: (member: MemberName) => boolean;
    /** Endpoints that the member publishes. */
    readonly weightOf: (member: MemberName) => number;
    /** Already removed: they stay so while they are down. */
    readonly before: ReadonlySet<MemberName>;
  },
): ReadonlySet<MemberName> {
  const expired = members.filter(known.isExpired);
  if (expired.length === 0) return expired.length === known.before.size ? known.before : new Set();
  const all = members.reduce((sum, member) => sum + known.weightOf(member), 0);
  const removed = new Set(expired.filter((member) => known.before.has(member)));
  let gone = [...removed].reduce((sum, member) => sum + known.weightOf(member), 0);
  for (const member of expired) {
    if (removed.has(member)) continue;
    gone += known.weightOf(member);
    if (gone > all / 2) break;
    removed.add(member);
  }
  return removed;
}
