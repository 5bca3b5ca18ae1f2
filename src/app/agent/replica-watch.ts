import { type Client, Metadata } from "@grpc/grpc-js";
import { openAgentChannel } from "../../dataplane/io/agent-channel.ts";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, IdentitySource, Log } from "../../mesh/ports.ts";
import type { Finding } from "../../mesh/service.ts";
import { spiffeIdOf } from "../launcher/spiffe-id-of.ts";
import {
  decodeKnowledge,
  maxShareBytes,
  type ReplicaKnowledge,
  type ReplicaQuestion,
  sharePath,
} from "./replica-service.ts";
import type { SidecarClaim } from "./sidecar-proofs.ts";

/** Asks the other agents of this member for what they know. */
export interface ReplicaWatch extends Disposable {
  readonly status: () => readonly ReplicaStatus[];
  readonly findings: () => readonly Finding[];
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
  readonly clock: Clock;
  readonly log: Log;
}

// A sidecar that one agent has just met is known to the others before most callers ask them.
const askEveryMs = 1000;
const timeoutMs = 3000;
// One that restarts is no news.
const tolerableMs = 30_000;

export function watchReplicas(options: ReplicaWatchOptions): ReplicaWatch {
  const watched = options.replicas.map((agent) => watchOne(agent, options));
  return {
    status: () => watched.map((one) => one.status()),
    findings: () => {
      const nowMs = options.clock.nowMs();
      return watched
        .map((one) => one.status())
        .filter(({ isReachable, sinceMs }) => !isReachable && nowMs - sinceMs > tolerableMs)
        .map(({ address }) => ({
          code: "CATALOG_REPLICA_UNREACHABLE",
          severity: "warning",
          subject: address,
          message: "this replica does not answer: nobody takes over when this agent fails",
        }));
    },
    [Symbol.dispose]: () => {
      for (const one of watched) one.close();
    },
  };
}

function watchOne(
  agent: HostPort,
  options: ReplicaWatchOptions,
): { readonly status: () => ReplicaStatus; readonly close: () => void } {
  const { identity, clock, log } = options;
  const address = formatHostPort(agent);
  let isReachable: boolean | undefined;
  let sinceMs = clock.nowMs();
  let known = "";
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
      const { version, proofs } = await askOnce(client, known);
      if (isClosed) return;
      if (proofs !== undefined) options.onProofs(proofs);
      known = version;
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
    close: () => {
      isClosed = true;
      unsubscribe();
      clearTimeout(timer);
      client.close();
    },
  };
}

function askOnce(client: Client, known: string): Promise<ReplicaKnowledge> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<ReplicaQuestion, ReplicaKnowledge>(
      sharePath,
      ({ version }) => Buffer.from(version),
      decodeKnowledge,
      { version: known },
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
