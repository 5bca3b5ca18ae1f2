import { openKubeConnection } from "../../discovery/io/kubernetes/api-access.ts";
import type { ApiHealth } from "../../discovery/io/kubernetes/api-health.ts";
import { type LeaseElection, startLeaseElection } from "../../discovery/io/kubernetes/lease.ts";
import { leaseTimes } from "../../discovery/kubernetes/lease-judge.ts";
import {
  type Contender,
  type Election,
  type LeaderPort,
  type Leadership,
  leaderPortOf,
} from "../../discovery/publish/election.ts";
import type { Clock, Log, Random } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import type { KubernetesConfig } from "../config/kubernetes/kubernetes-config.ts";
import type { LeaseConfig } from "../config/kubernetes/lease-config.ts";
import { realTimers } from "../real-time.ts";
import { accessOf } from "./api-access.ts";

/** Whether this agent leads those of its member, by the Lease of its cluster. Disposing gives the Lease back. */
export interface MemberLease extends LeaderPort, AsyncDisposable {
  /** Contends from then on; whoever writes the shard is asked, as it knows its own name. Called once. */
  readonly elect: (self: Contender) => Election;
  readonly status: () => LeaseStatus;
  readonly findings: () => readonly Finding[];
}

export interface LeaseStatus {
  /** `NAMESPACE/NAME` */
  readonly name: string;
  readonly leadership: Leadership;
  /** Of its own connections. */
  readonly health: ApiHealth;
}

/** Waits for nobody. Throws MESH_CONFIG_INVALID and MESH_FILE_UNREADABLE. */
export async function openMemberLease(
  config: Pick<KubernetesConfig, "access"> & { readonly lease: LeaseConfig },
  parts: { readonly clock: Clock; readonly random: Random; readonly log: Log },
): Promise<MemberLease> {
  const { namespace, name, durationMs } = config.lease;
  // Its own connections: nothing else that is slow or large may hold a renewal up.
  const connection = await openKubeConnection(accessOf(config), parts);
  const listeners = new Set<(isLeader: boolean) => void>();
  let election: LeaseElection | undefined;
  let port: LeaderPort | undefined;

  return {
    isLeader: () => port?.isLeader() ?? false,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    elect: (self) => {
      const api = connection.apiWithin(leaseTimes(durationMs).renewMs);
      const ref = { namespace, name };
      election = startLeaseElection({ api, ref, self, durationMs, timers: realTimers, ...parts });
      port = leaderPortOf(election);
      port.onChange((isLeader) => {
        for (const listener of listeners) listener(isLeader);
      });
      return election;
    },
    status: () => ({
      name: `${namespace}/${name}`,
      leadership: election?.leadership() ?? { t: "unknown" },
      health: connection.health(),
    }),
    findings: () => election?.findings() ?? [],
    [Symbol.asyncDispose]: async () => {
      await election?.[Symbol.asyncDispose]();
      await connection[Symbol.asyncDispose]();
    },
  };
}
