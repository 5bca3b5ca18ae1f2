import type { Client } from "@grpc/grpc-js";
import type { NodeIdentity } from "../../../../dataplane/io/ads-session.ts";
import { openAgentChannel } from "../../../../dataplane/io/agent-channel.ts";
import { LoadSession, type LoadSource } from "../../../../dataplane/io/load-session.ts";
import type { HostPort } from "../../../../mesh/address.ts";
import type { SpiffeId } from "../../../../mesh/ids.ts";
import type { Clock, IdentitySource, Random } from "../../../../mesh/ports.ts";
import { spiffeIdOf } from "../../spiffe-id-of.ts";

export interface EnvoyLoadReporterOptions {
  /** Envoy's own, so that the agent takes what is reported for what its proxy did. */
  readonly node: NodeIdentity;
  readonly source: LoadSource;
  /** One of them is told; they tell each other what sidecars proved. */
  readonly agents: readonly HostPort[];
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  readonly clock: Clock;
  readonly random: Random;
}

const retryMs = 2_000;

/** Reports to the agent what an Envoy counts, on a connection of its own. */
export class EnvoyLoadReporter implements Disposable {
  readonly #options: EnvoyLoadReporterOptions;
  readonly #unsubscribe: () => void;
  #open: { readonly client: Client; readonly session: LoadSession } | undefined;
  #retry: NodeJS.Timeout | undefined;
  #turn = 0;
  #restarts = 0;

  constructor(options: EnvoyLoadReporterOptions) {
    this.#options = options;
    // A stream lives on its connection's certificate, so a new one needs a new connection.
    this.#unsubscribe = options.identity.onChange(() => this.#connect());
    this.#connect();
  }

  /** The agent reads what a node says of itself when its stream opens. */
  restarted(count: number): void {
    this.#restarts = count;
    this.#connect();
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    this.#close();
  }

  #connect(): void {
    this.#close();
    const { agents, agentId, identity, node, ...rest } = this.#options;
    const agent = agents[this.#turn % agents.length];
    if (agent === undefined) throw new RangeError("There is at least one agent");
    const client = openAgentChannel(
      { agent, agentId, identity, spiffeIdOf },
      {
        "grpc.enable_retries": 0,
        // Tells a vanished agent from a quiet one.
        "grpc.keepalive_time_ms": 10_000,
        "grpc.keepalive_timeout_ms": 5_000,
      },
    );
    const metadata = { ...node.metadata, restarts: this.#restarts };
    const told = { ...rest, node: { ...node, metadata } };
    const session = new LoadSession(client, { ...told, onEnded: () => this.#waitAndConnect() });
    this.#open = { client, session };
  }

  #waitAndConnect(): void {
    this.#close();
    this.#turn += 1;
    const delayMs = retryMs * (0.5 + this.#options.random() / 2);
    this.#retry = setTimeout(() => this.#connect(), delayMs);
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#open?.session.close();
    this.#open?.client.close();
    this.#open = undefined;
  }
}
