import type { Health } from "../../mesh/service.ts";
import { type GroupId, groupNamespace, type WorkloadGroup } from "../../mesh/workload-group.ts";

/** Where a registered workload's stream is. Times are of the agent's monotonic clock. */
export type StreamState =
  | { readonly t: "live" }
  /** It said goodbye and is let go of when nobody calls it any more. */
  | { readonly t: "leaving"; readonly sinceMs: number }
  /** It had one at an agent that ended; it has not come back yet. */
  | { readonly t: "awaited"; readonly sinceMs: number }
  | { readonly t: "lost"; readonly sinceMs: number }
  /** Lost together with most others: that says more of the network, or of this agent, than of them. */
  | { readonly t: "held"; readonly sinceMs: number }
  /** Forgotten. Kept for a while, so that another agent that still knows it does not bring it back. */
  | { readonly t: "gone"; readonly sinceMs: number };

/** What a workload's own checks said last. */
export type StatedHealth = "healthy" | "unhealthy";

/** Who wrote an entry last: of two versions of one entry the larger counts, first by `sequence`. */
export interface EntryVersion {
  /** Larger with each registration of this workload, whichever agent takes it. */
  readonly sequence: number;
  /** Counts what its holder said of it since. */
  readonly change: number;
  /** Life of the agent that has its stream, or had it last. */
  readonly holder: string;
}

/** One workload that registered itself. Plain data: it is kept on disk and told to replicas. */
export interface Registered extends EntryVersion {
  /** Identity and instance. The address is no part of it: a workload that moves stays the same. */
  readonly key: string;
  readonly group: GroupId;
  readonly serviceAccount: string;
  /** Hash (hex) of a secret that only this workload has. */
  readonly instance: string;
  /** As people call it; a DNS label. */
  readonly name: string;
  /** IP literal, canonical. */
  readonly address: string;
  /** Its stream came from that address. */
  readonly isOwnAddress: boolean;
  /** Empty: its group's. */
  readonly zone: string;
  readonly version: string;
  readonly stated: StatedHealth;
  readonly reason: string;
  readonly stream: StreamState;
}

/** The identity is the namespace's account; a workload may go over to another group of that. */
export function registeredKey(of: {
  readonly group: GroupId;
  readonly serviceAccount: string;
  readonly instance: string;
}): string {
  return `${groupNamespace(of.group)} ${of.serviceAccount} ${of.instance}`;
}

/** Whether version `a` replaces version `b`. */
export function isNewer(a: EntryVersion, b: EntryVersion): boolean {
  if (a.sequence !== b.sequence) return a.sequence > b.sequence;
  if (a.change !== b.change) return a.change > b.change;
  // Two agents that judged one entry in one moment: both keep the same.
  return a.holder > b.holder;
}

/** How the workload may be used; undefined: not at all. */
export function healthOf(
  entry: Pick<Registered, "stated" | "stream">,
  {
    group,
    nowMs,
  }: { readonly group: Pick<WorkloadGroup, "unhealthyAfterMs">; readonly nowMs: number },
): Health | undefined {
  const { stated, stream } = entry;
  switch (stream.t) {
    case "live":
    case "awaited":
    case "held":
      return stated;
    case "leaving":
      return stated === "healthy" ? "draining" : stated;
    case "lost": {
      const isDead = nowMs - stream.sinceMs >= group.unhealthyAfterMs;
      return stated === "unhealthy" || isDead ? "unhealthy" : "draining";
    }
    case "gone":
      return undefined;
  }
}
