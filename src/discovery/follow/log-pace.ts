import type { MemberName } from "../../mesh/ids.ts";
import type { ShardOutcome } from "./remote-shard.ts";

/** How much of a member's log in one hub may be worth nothing before it is left alone for a while. */
export interface LogPace {
  readonly took: (member: MemberName, outcome: ShardOutcome, nowMs: number) => void;
  readonly isResting: (member: MemberName, nowMs: number) => boolean;
}

// What one hub told all others repeat: that is honest, and costs a look. Thrice what a member changes in a
// busy second.
const perSecond = 1024;
// As many as a reader finds in a log that it comes to late, several times over.
const burst = 4096;
// What is refused cost a check of its signature, some hundred times a look.
const refusedCost = 32;

/**
 * Whoever may write a log may write into it without end: 100 % of a reader's core, were it read as it grows.
 * While a log rests its member is followed by its heads, and in other hubs.
 */
export function createLogPace(): LogPace {
  const spent = new Map<MemberName, { left: number; atMs: number }>();

  const leftOf = (member: MemberName, nowMs: number): number => {
    const known = spent.get(member);
    if (known === undefined) return burst;
    return Math.min(burst, known.left + ((nowMs - known.atMs) * perSecond) / 1000);
  };
  return {
    took: (member, outcome, nowMs) => {
      if (outcome.change !== undefined) return;
      const cost = outcome.problem === undefined ? 1 : refusedCost;
      spent.set(member, { left: leftOf(member, nowMs) - cost, atMs: nowMs });
    },
    isResting: (member, nowMs) => {
      const left = leftOf(member, nowMs);
      if (left === burst) spent.delete(member);
      return left < 0;
    },
  };
}
