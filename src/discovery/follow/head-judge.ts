import type { MemberName, MeshDomain } from "../../mesh/ids.ts";
import type { VerifySignature } from "../../mesh/ports.ts";
import type { LeaseClock } from "../members/lease-clock.ts";
import type { Head } from "../shards/head.ts";
import { isFarAhead, peekHead, verifyHead } from "../shards/head.ts";
import type { ShardPosition, SignedHead } from "../shards/store.ts";
import { isNewer, relationOf } from "./relation.ts";

/** A head whose signature was checked. */
export interface Found {
  readonly head: Head;
  readonly signed: SignedHead;
  /** The signer's certificate had run out. */
  readonly isExpired: boolean;
  /** Of the certificate that signed it. */
  readonly notAfterMs: number;
}

export type Judged =
  | { readonly t: "ok"; readonly found: Found }
  /** Says nothing that is not known; it was not even checked. */
  | { readonly t: "old" }
  | { readonly t: "refused"; readonly reason: string };

/** What a shard holds now, as far as a head is judged by it. */
export interface HeldSigned {
  readonly position: ShardPosition;
  readonly notAfterMs: number;
}

/** Decides which heads of one member are believed. */
export interface HeadJudge {
  readonly judge: (
    signed: SignedHead,
    context: {
      readonly nowMs: number;
      /** It came with all records: content outlives its signer's certificate, heads alone do not. */
      readonly isSnapshot: boolean;
      readonly held: HeldSigned | undefined;
    },
  ) => Judged;
  /** The last one that was found right, while its signer's certificate held. */
  readonly newest: () => SignedHead | undefined;
}

export function createHeadJudge(options: {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly verify: VerifySignature;
  readonly lease: Pick<LeaseClock, "isNews">;
}): HeadJudge {
  const { mesh, member, verify, lease } = options;
  let verified: Found | undefined;
  return {
    judge: (signed, { nowMs, isSnapshot, held }) => {
      // The same bytes were verified already: heads come once from every hub.
      // The signature that was checked is kept, not the one that came with them this time.
      if (verified !== undefined && Buffer.compare(verified.signed.bytes, signed.bytes) === 0) {
        return { t: "ok", found: verified };
      }
      const peeked = peekHead(signed.bytes);
      if (peeked !== undefined && !lease.isNews(peeked)) {
        if (!isNewer(relationOf(peeked, held?.position))) return { t: "old" };
      }
      const verdict = verifyHead(signed, { mesh, member, verify, nowMs, allowExpired: isSnapshot });
      if (verdict.t === "refused") return verdict;
      const { head, isExpired, notAfterMs } = verdict;
      const found = { head, signed, isExpired, notAfterMs };
      const refusal = refusalOf(found, { nowMs, held });
      if (refusal !== undefined) return { t: "refused", reason: refusal };
      if (!isExpired) verified = found;
      return { t: "ok", found };
    },
    newest: () => verified?.signed,
  };
}

function refusalOf(
  { head, isExpired, notAfterMs }: Found,
  context: { readonly nowMs: number; readonly held: HeldSigned | undefined },
): string | undefined {
  const { nowMs, held } = context;
  if (isFarAhead(head, nowMs)) return `its epoch ${head.epoch} is more than a day ahead`;
  // An old key that got into other hands must not outdo the ones that came after it.
  const isReplaced = isExpired && held !== undefined && notAfterMs < held.notAfterMs;
  if (!isReplaced || !isNewer(relationOf(head, held.position))) return undefined;
  return "it is signed with a key that has been replaced since";
}
