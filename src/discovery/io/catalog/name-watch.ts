import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock } from "../../../mesh/ports.ts";
import { createLeaseClock } from "../../members/lease-clock.ts";
import type { Head, ShardOwner } from "../../shards/head.ts";
import type { CatalogStore, SignedHead } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { pause, within } from "./waiting.ts";

/** Watches over the own name: does another instance publish under it? */
export interface NameWatch {
  /** Resolves once no other instance shows life for a lease, by the quorum asked for. */
  readonly silence: (signal: AbortSignal, look: Look) => Promise<Silence>;
}

export interface Look {
  /** Called when another instance goes on renewing while we look; what it throws rejects. */
  readonly onLife: (owner: ShardOwner) => void;
  /** Go on looking while no hub answers: then silence says nothing. */
  readonly mustSee: boolean;
  /**
   * Who must be silent: every hub that answers, or more than half of them. A stranger must never take a
   * name that lives anywhere; a replica must take it from one that most hubs do not hear any more.
   */
  readonly quorum: "every" | "most";
}

export interface Silence {
  /** Highest epoch seen under the name. */
  readonly newest: number;
  /** Some hub answered. */
  readonly hasLooked: boolean;
}

export function createNameWatch(options: {
  readonly member: MemberName;
  readonly owner: ShardOwner;
  readonly stores: readonly CatalogStore[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** Deadline of each read. */
  readonly ms: number;
  readonly pollMs: number;
  /** Undefined for what this member never signed. */
  readonly judgeHead: (signed: SignedHead) => Head | undefined;
}): NameWatch {
  const { member, clock, timers } = options;

  const headIn = async (store: CatalogStore): Promise<Head | undefined> => {
    const limit = { ...options, what: `read ${store.name}` };
    const heads = await within(limit, (signal) => store.readHeads([member], signal));
    const signed = heads.get(member);
    return signed && options.judgeHead(signed);
  };
  return {
    silence: async (signal, { onLife, mustSee, quorum }) => {
      // Over all hubs: they lag behind each other, and what one shows late is no sign of life.
      const anywhere = createLeaseClock();
      let leases = options.stores.map(() => createLeaseClock());
      let wasAnswered = options.stores.map(() => true);
      let newest = 0;
      let looks = 0;
      let beats = 0;
      for (;;) {
        const reads = await Promise.allSettled(options.stores.map(headIn));
        signal.throwIfAborted();
        const at = { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
        const isAnswered = reads.map((read) => read.status === "fulfilled");
        // What happened while a hub was away nobody knows: its writer may not have had its turn yet.
        leases = leases.map((lease, index) =>
          isAnswered[index] === true && wasAnswered[index] === false ? createLeaseClock() : lease,
        );
        wasAnswered = isAnswered;
        const heads = reads.map((read) => (read.status === "fulfilled" ? read.value : undefined));
        newest = Math.max(newest, ...heads.map((head) => head?.epoch ?? 0));
        for (const [index, head] of heads.entries()) {
          if (head === undefined || head.owner.instance === options.owner.instance) continue;
          // Two heads in one look are no sign of life either.
          const isNews = looks > 0 && head.epoch >= newest && anywhere.isNews(head);
          anywhere.beat(head, at);
          // The writer's clock is not asked: two replicas whose clocks differ would oust each other.
          if (head.epoch >= newest) leases[index]?.beat(head, { ...at, nowMs: head.timeMs });
          if (isNews) beats += 1;
          // One beat may have been under way when its writer died.
          if (isNews && beats > 1) onLife(head.owner);
        }
        const hasSeen = isAnswered.includes(true);
        const isQuiet =
          quorum === "every"
            ? anywhere.leaseAt(at.monotonicMs) === "lost"
            : isMostSilent(
                leases.map((lease, index) => ({
                  isAnswered: isAnswered[index] === true,
                  isLive: lease.leaseAt(at.monotonicMs) === "live",
                })),
              );
        if (isQuiet && (hasSeen || !mustSee)) return { newest, hasLooked: hasSeen || looks > 0 };
        if (hasSeen) looks += 1;
        await pause(options.pollMs, { timers, signal });
      }
    },
  };
}

/** A hub that stopped to answer counts as long as what it showed last may still hold. */
function isMostSilent(
  hubs: readonly { readonly isAnswered: boolean; readonly isLive: boolean }[],
): boolean {
  const counted = hubs.filter(({ isAnswered, isLive }) => isAnswered || isLive);
  const live = counted.filter(({ isLive }) => isLive).length;
  return live * 2 < counted.length || counted.length === 0;
}
