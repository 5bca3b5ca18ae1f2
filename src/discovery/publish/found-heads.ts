import type { MemberName, MeshDomain } from "../../mesh/ids.ts";
import type { VerifySignature } from "../../mesh/ports.ts";
import type { Instant } from "../instant.ts";
import type { Head, ShardOwner } from "../shards/head.ts";
import { isFarAhead, verifyHead } from "../shards/head.ts";
import type { HeldHead, SignedHead } from "../shards/store.ts";
import { claimantOf, type OwnClaim } from "./epoch.ts";

/** Judges heads that hubs hold under the own name. */
export interface FoundHeads {
  /** What to do about one that stands where the writer's own should. */
  readonly judge: (held: HeldHead, at: Instant) => "overwrite" | "leave";
  /** Undefined for what this member never signed, or with a certificate that has ended. */
  readonly lifeIn: (signed: SignedHead, nowMs: number) => Head | undefined;
}

export function createFoundHeads(options: {
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly verify: VerifySignature;
  readonly leaseMs: number;
  readonly own: () => OwnClaim;
  /** The own epoch must exceed this one, which brings every hub in step again. */
  readonly onEpoch: (above: number) => void;
  /** Another instance that lives holds the name. */
  readonly onHolder: (owner: ShardOwner) => void;
}): FoundHeads {
  const { mesh, member, verify } = options;
  let junkAtMs = Number.NEGATIVE_INFINITY;

  const read = (
    signed: SignedHead,
    nowMs: number,
  ): { readonly head: Head; readonly isExpired: boolean } | undefined => {
    const verdict = verifyHead(signed, { mesh, member, verify, nowMs, allowExpired: true });
    if (verdict.t !== "ok") return undefined;
    // No reader follows it there, and to rise above it would leave all readers behind for good.
    return isFarAhead(verdict.head, nowMs) ? undefined : verdict;
  };
  /** Not the word of this member; but it may cover that of another instance which readers know. */
  const judgeJunk = (nowMs: number): "overwrite" | "leave" => {
    // Whoever writes junk without end must not make us sign without end.
    if (nowMs - junkAtMs < options.leaseMs) return "overwrite";
    junkAtMs = nowMs;
    options.onEpoch(options.own().epoch);
    return "leave";
  };

  return {
    judge: (held, at) => {
      const found = read(held.head, at.nowMs);
      if (found === undefined) return judgeJunk(at.monotonicMs);
      const claimant = claimantOf(found.head, options.own());
      switch (claimant.t) {
        case "older":
          return "overwrite";
        case "own-newer":
          options.onEpoch(found.head.epoch);
          return "leave";
        case "other":
          // Who lives has a valid certificate: with a key of long ago anybody may have signed this.
          if (found.isExpired) options.onEpoch(found.head.epoch);
          else options.onHolder(claimant.owner);
          return "leave";
      }
    },
    lifeIn: (signed, nowMs) => {
      const found = read(signed, nowMs);
      return found === undefined || found.isExpired ? undefined : found.head;
    },
  };
}
