import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock } from "../../../mesh/ports.ts";
import { instantOf } from "../../instant.ts";
import { createLeaseClock } from "../../members/lease-clock.ts";
import type { Head, ShardOwner } from "../../shards/head.ts";
import type { CatalogStore, SignedHead } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { pause, within } from "./waiting.ts";

/** Watches over the own name: does another instance publish under it? */
export interface NameWatch {
  /** One look into all hubs. */
  readonly look: () => Promise<Sight>;
  /** Resolves once no other instance shows life for a lease, by the quorum asked for. */
  readonly silence: (signal: AbortSignal, look: Look) => Promise<Silence>;
}

export interface Sight {
  /** What the hubs that answered hold under the name. */
  readonly heads: readonly Head[];
  /** Some hub answered. */
  readonly hasLooked: boolean;
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
  /** Undefined for what this member never signed, or with a certificate that has ended. */
  readonly judgeHead: (signed: SignedHead) => Head | undefined;
}): NameWatch {
  const { member, clock, timers } = options;

  const headIn = async (store: CatalogStore): Promise<Head | undefined> => {
    const limit = { ...options, what: `read ${store.name}` };
    const heads = await within(limit, (signal) => store.readHeads([member], { signal }));
    const signed = heads.get(member);
    return signed && options.judgeHead(signed);
  };
  return {
    look: async () => {
      const reads = await Promise.allSettled(options.stores.map(headIn));
      const answers = reads.filter((read) => read.status === "fulfilled");
      const heads = answers.map(({ value }) => value).filter((head) => head !== undefined);
      return { heads, hasLooked: answers.length > 0 };
    },
    silence: async (signal, { onLife, mustSee, quorum }) => {
      const sightings = createSightings(options.owner, options.stores.length);
      for (let hasLooked = false; ; ) {
        const reads = await Promise.allSettled(options.stores.map(headIn));
        signal.throwIfAborted();
        const hasSeen = reads.some((read) => read.status === "fulfilled");
        const at = instantOf(clock);
        // Two heads in one look are no sign of life: hubs lag behind each other.
        for (const owner of sightings.take(reads, { ...at, isFirst: !hasLooked })) onLife(owner);
        hasLooked ||= hasSeen;
        if (sightings.isQuiet(quorum, at.monotonicMs) && (hasSeen || !mustSee)) {
          return { newest: sightings.newest(), hasLooked };
        }
        await pause(options.pollMs, { timers, signal });
      }
    },
  };
}

type Read = PromiseSettledResult<Head | undefined>;

/** What the looks at a name have shown so far, hub by hub. */
interface Sightings {
  /** Takes one look; returns the owners of heads that show that their writer lives. */
  readonly take: (
    reads: readonly Read[],
    at: { readonly nowMs: number; readonly monotonicMs: number; readonly isFirst: boolean },
  ) => readonly ShardOwner[];
  readonly isQuiet: (quorum: Look["quorum"], monotonicMs: number) => boolean;
  readonly newest: () => number;
}

function createSightings(own: ShardOwner, hubCount: number): Sightings {
  // Over all hubs: what one of them shows late is no news.
  const anywhere = createLeaseClock();
  const hubs = Array.from({ length: hubCount }, () => ({
    lease: createLeaseClock(),
    isAnswered: true,
  }));
  let newest = 0;
  let beats = 0;

  const takeHead = (
    head: Head,
    hub: (typeof hubs)[number],
    at: Parameters<Sightings["take"]>[1],
  ): ShardOwner | undefined => {
    const isNews = !at.isFirst && head.epoch >= newest && anywhere.isNews(head);
    anywhere.beat(head, at);
    // The writer's clock is not asked: two replicas whose clocks differ would oust each other.
    if (head.epoch >= newest) hub.lease.beat(head, { ...at, nowMs: head.timeMs });
    if (isNews) beats += 1;
    // One beat may have been under way when its writer died.
    return isNews && beats > 1 ? head.owner : undefined;
  };

  return {
    take: (reads, at) => {
      const heads = reads.map((read) => (read.status === "fulfilled" ? read.value : undefined));
      newest = Math.max(newest, ...heads.map((head) => head?.epoch ?? 0));
      const alive: ShardOwner[] = [];
      for (const [index, hub] of hubs.entries()) {
        const isAnswered = reads[index]?.status === "fulfilled";
        // What happened while a hub was away nobody knows: its writer may not have had its turn yet.
        if (isAnswered && !hub.isAnswered) hub.lease = createLeaseClock();
        hub.isAnswered = isAnswered;
        const head = heads[index];
        if (head === undefined || head.owner.instance === own.instance) continue;
        const owner = takeHead(head, hub, at);
        if (owner !== undefined) alive.push(owner);
      }
      return alive;
    },
    isQuiet: (quorum, monotonicMs) => {
      if (quorum === "every") return anywhere.leaseAt(monotonicMs) === "lost";
      const isLive = ({ lease }: (typeof hubs)[number]): boolean =>
        lease.leaseAt(monotonicMs) === "live";
      // A hub that stopped to answer counts as long as what it showed last may still hold.
      const counted = hubs.filter((hub) => hub.isAnswered || isLive(hub));
      return counted.length === 0 || counted.filter(isLive).length * 2 < counted.length;
    },
    newest: () => newest,
  };
}
