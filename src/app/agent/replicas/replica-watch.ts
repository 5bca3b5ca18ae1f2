import { type Client, Metadata } from "@grpc/grpc-js";
import { openAgentChannel } from "../../../dataplane/io/agent-channel.ts";
import type { ShardOwner } from "../../../discovery/shards/head.ts";
import { formatHostPort, type HostPort } from "../../../mesh/address.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { MemberName, SpiffeId } from "../../../mesh/ids.ts";
import type { Clock, IdentitySource, Log } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import { spiffeIdOf } from "../../launcher/spiffe-id-of.ts";
import type { Served } from "../proxies/served-by.ts";
import type { SharedTally } from "../rotation/tally.ts";
import type { SidecarClaim } from "../sidecars/sidecar-proofs.ts";
import type { RegisteredKnowledge } from "./registered-share.ts";
import {
  decodeKnowledge,
  encodeQuestion,
  maxShareBytes,
  type ReplicaKnowledge,
  type ReplicaQuestion,
  sharePath,
} from "./replica-service.ts";

/** Asks the other agents of this member for what they know. */
export interface ReplicaWatch extends Disposable {
  readonly status: () => readonly ReplicaStatus[];
  readonly findings: () => readonly Finding[];
  /** What has its stream at any of them; undefined while one does not answer or does not say. */
  readonly served: () => Served | undefined;
  /** As each of them last said; undefined: one does not answer or does not say. */
  readonly tallies: () => readonly SharedTally[] | undefined;
}

export interface ReplicaStatus {
  /** `host:port` */
  readonly address: string;
  readonly isReachable: boolean;
  /** By the wall clock. */
  readonly sinceMs: number;
}

export interface ReplicaWatchOptions {
  readonly replicas: readonly HostPort[];
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  readonly onProofs: (claims: readonly SidecarClaim[]) => void;
  /** Absent: no workloads register here. */
  readonly registration?: Pick<RegisteredKnowledge, "merge">;
  /** The replica that writes, while this agent waits; by its heads. */
  readonly holder: () => ShardOwner | undefined;
  readonly member: MemberName;
  readonly clock: Clock;
  readonly log: Log;
}

// A sidecar that one agent has just met is known to the others before most callers ask them.
const askEveryMs = 1000;
const timeoutMs = 3000;
// One that restarts is no news.
const tolerableMs = 30_000;

export function watchReplicas(options: ReplicaWatchOptions): ReplicaWatch {
  const met = new Set<string>();
  const watched = options.replicas.map((agent) => watchOne(agent, { ...options, met }));
  const strangers = watchStranger(met, options);
  return {
    status: () => watched.map((one) => one.status()),
    findings: () => {
      const nowMs = options.clock.nowMs();
      const silent = watched
        .map((one) => one.status())
        .filter(({ isReachable, sinceMs }) => !isReachable && nowMs - sinceMs > tolerableMs);
      return [
        ...strangers.findings(),
        ...silent.map(
          ({ address }): Finding => ({
            code: "CATALOG_REPLICA_UNREACHABLE",
            severity: "warning",
            subject: address,
            message: "this replica does not answer: nobody takes over when this agent fails",
          }),
        ),
      ];
    },
    served: () => {
      const all = new Set<string>();
      for (const one of watched) {
        const served = one.served();
        if (served === undefined) return undefined;
        for (const key of served) all.add(key);
      }
      return all;
    },
    tallies: () => {
      const said = watched.map((one) => one.tally()).filter((tally) => tally !== undefined);
      return said.length === watched.length ? said : undefined;
    },
    [Symbol.dispose]: () => {
      strangers.close();
      for (const one of watched) one.close();
    },
  };
}

/**
 * A copied configuration makes another site a replica by mistake: then one of the two waits for ever and
 * its exports never go out. Whoever writes must be one of those that answer at the addresses given.
 */
function watchStranger(
  met: ReadonlySet<string>,
  options: Pick<ReplicaWatchOptions, "holder" | "member" | "clock">,
): { readonly findings: () => readonly Finding[]; readonly close: () => void } {
  let seen: { readonly instance: string; readonly sinceMs: number } | undefined;
  const look = (): void => {
    const holder = options.holder();
    if (holder === undefined || met.has(holder.instance)) seen = undefined;
    else if (seen?.instance !== holder.instance) {
      seen = { instance: holder.instance, sinceMs: options.clock.monotonicMs() };
    }
  };
  const timer = setInterval(look, askEveryMs);
  return {
    findings: () => {
      const holder = options.holder();
      if (seen === undefined || holder?.instance !== seen.instance) return [];
      if (options.clock.monotonicMs() - seen.sinceMs < tolerableMs) return [];
      const { instance, host } = holder;
      return [
        {
          code: "CATALOG_NAME_TAKEN",
          severity: "error",
          subject: options.member,
          message: `instance ${instance} on ${host} holds this member's name and is none of catalog.replicas that answered`,
        },
      ];
    },
    close: () => clearInterval(timer),
  };
}

function watchOne(
  agent: HostPort,
  options: ReplicaWatchOptions & { readonly met: Set<string> },
): {
  readonly status: () => ReplicaStatus;
  readonly served: () => readonly string[] | undefined;
  readonly tally: () => SharedTally | undefined;
  readonly close: () => void;
} {
  const { identity, clock, log } = options;
  const address = formatHostPort(agent);
  let isReachable: boolean | undefined;
  let sinceMs = clock.nowMs();
  let known: ReplicaQuestion = { version: "", registered: "" };
  let served: readonly string[] | undefined;
  let tally: SharedTally | undefined;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  let client = open();
  // A connection lives on the certificate that it was made with.
  const unsubscribe = identity.onChange(() => {
    client.close();
    client = open();
  });
  void ask();

  function open(): Client {
    return openAgentChannel(
      { ...options, agent, spiffeIdOf },
      {
        "grpc.enable_retries": 0,
        "grpc.initial_reconnect_backoff_ms": askEveryMs,
        "grpc.max_reconnect_backoff_ms": askEveryMs * 2,
        "grpc.max_receive_message_length": maxShareBytes,
      },
    );
  }

  async function ask(): Promise<void> {
    try {
      const { version, instance, proofs, registered, ...said } = await askOnce(client, known);
      if (isClosed) return;
      served = said.served;
      tally = said.tally;
      if (instance !== undefined) options.met.add(instance);
      if (proofs !== undefined) options.onProofs(proofs);
      if (registered !== undefined) {
        options.registration?.merge(registered);
      }
      known = { version, registered: registered?.version ?? "" };
      enter(true);
    } catch (thrown) {
      if (isClosed) return;
      enter(false, reasonOf(thrown));
    }
    timer = setTimeout(() => void ask(), askEveryMs);
  }

  function enter(next: boolean, reason?: string): void {
    if (next === isReachable) return;
    isReachable = next;
    sinceMs = clock.nowMs();
    if (next) log.info({ address }, "Replica reached");
    else log.warn({ address, reason }, "Replica not reachable");
  }

  return {
    status: () => ({ address, isReachable: isReachable ?? false, sinceMs }),
    served: () => (isReachable === true ? served : undefined),
    tally: () => (isReachable === true ? tally : undefined),
    close: () => {
      isClosed = true;
      unsubscribe();
      clearTimeout(timer);
      client.close();
    },
  };
}

function askOnce(client: Client, known: ReplicaQuestion): Promise<ReplicaKnowledge> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<ReplicaQuestion, ReplicaKnowledge>(
      sharePath,
      encodeQuestion,
      decodeKnowledge,
      known,
      new Metadata(),
      { deadline: Date.now() + timeoutMs },
      (error, knowledge) => {
        if (error !== null) reject(error);
        else if (knowledge === undefined) reject(new Error("the answer is empty"));
        else resolve(knowledge);
      },
    );
  });
}
