import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { AgentConfig } from "../../config/config.ts";
import { type MemberLease, openMemberLease } from "../../kubernetes/member-lease.ts";

/** Undefined: no Lease says which replica writes. */
export async function openLease(
  { kubernetes }: AgentConfig,
  parts: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<MemberLease | undefined> {
  const lease = kubernetes?.lease;
  if (kubernetes === undefined || lease === undefined) return undefined;
  return await openMemberLease({ ...kubernetes, lease }, parts);
}
