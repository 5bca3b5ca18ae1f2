import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock } from "../../../mesh/ports.ts";
import { createLeaseClock } from "../../members/lease-clock.ts";
import type { Head, ShardOwner } from "../../shards/head.ts";
import type { CatalogStore, SignedHead } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { pause, within } from "./waiting.ts";

/** Watches over the own name: does another instance publish under it? */
export interface NameWatch {
  /** Resolves once no other instance shows life for a lease. */
  readonly silence: (
    signal: AbortSignal,
    look: {
      /** Called when another instance goes on renewing while we look; what it throws rejects. */
      readonly onLife: (owner: ShardOwner) => void;
      /** Go on looking while no hub answers: then silence says nothing. */
      readonly mustSee: boolean;
    },
  ) => Promise<Silence>;
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
  const readHeads = async (): Promise<readonly Head[] | undefined> => {
    const settled = await Promise.allSettled(options.stores.map(headIn));
    const answers = settled.filter((one) => one.status === "fulfilled");
    return answers.length === 0 ? undefined : answers.flatMap((one) => one.value ?? []);
  };

  return {
    silence: async (signal, { onLife, mustSee }) => {
      const lease = createLeaseClock();
      let newest = 0;
      let looks = 0;
      let beats = 0;
      for (;;) {
        const heads = await readHeads();
        signal.throwIfAborted();
        newest = Math.max(newest, ...(heads ?? []).map((head) => head.epoch));
        for (const head of heads ?? []) {
          if (head.owner.instance === options.owner.instance) continue;
          // Hubs lag behind each other: two heads in one look are no sign of life.
          const isNews = looks > 0 && head.epoch >= newest && lease.isNews(head);
          lease.beat(head, { nowMs: clock.nowMs(), monotonicMs: clock.monotonicMs() });
          if (isNews) beats += 1;
          // One beat may have been under way when its writer died.
          if (isNews && beats > 1) onLife(head.owner);
        }
        const isBlind = heads === undefined && mustSee;
        if (!isBlind && lease.leaseAt(clock.monotonicMs()) === "lost") {
          return { newest, hasLooked: heads !== undefined || looks > 0 };
        }
        if (heads !== undefined) looks += 1;
        await pause(options.pollMs, { timers, signal });
      }
    },
  };
}
