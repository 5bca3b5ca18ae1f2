import type { JsonObject } from "@bufbuild/protobuf";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, IdentitySource, Log, Random } from "../../mesh/ports.ts";
import { emptyConfig } from "../config/state.ts";
import type { EngineCounters } from "../counters.ts";
import { zeroCounters } from "../counters.ts";
import { onSecure } from "./accept.ts";
import { AdsClient } from "./ads-client.ts";
import type { EngineContext, EngineLimits } from "./context.ts";
import { engineLoads } from "./engine-loads.ts";
import { closeFlow } from "./flow.ts";
import { Listeners } from "./listeners.ts";
import { LoadSession } from "./load-session.ts";
import { RefusalLog } from "./refusal-log.ts";
import { Sweep } from "./sweep.ts";
import { takeDelta } from "./take-delta.ts";
import type { SpiffeIdOf, VerifyChain } from "./tls-contexts.ts";
import { TlsContexts } from "./tls-contexts.ts";

export interface EngineOptions {
  readonly node: { readonly id: string; readonly metadata: JsonObject };
  /** The agent's xDS port. */
  readonly agent: HostPort;
  /** Of the agent's replicas: asked in this order when that one does not answer. */
  readonly otherAgents?: readonly HostPort[];
  /** `spiffe://<own trust domain>/isthmus/agent`: only this identity may configure the engine. */
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  readonly spiffeIdOf: SpiffeIdOf;
  /** Absent: callers of foreign trust domains are refused. */
  readonly verifyChain?: VerifyChain;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<EngineLimits>;
  /** Other processes or threads listen on the same ports. */
  readonly reusePort?: boolean;
}

export interface ListenerStatus {
  readonly name: string;
  /** Where it really listens. */
  readonly address: HostPort;
}

/** One engine, or several workers added up. */
export interface EngineStatus {
  readonly isReady: boolean;
  readonly isConnected: boolean;
  readonly listeners: readonly ListenerStatus[];
  readonly counters: EngineCounters;
}

// 20,000 connections cost 130 MB and 40,000 file descriptors.
const defaultLimits: EngineLimits = {
  maxConnections: 20_000,
  maxPendingHellos: 1_024,
  handshakeTimeoutMs: 10_000,
};

const drainStepMs = 10;
const maxStepMs = 3 * drainStepMs;
// While there is time, a pause that a person or a slow caller may make; later any pause at all.
const restMs = 1_000;
const shortRestMs = 30;
const maxHurryMs = 2_000;

/** The embedded data plane: an xDS client, its listeners and its connections. */
export class Engine {
  /**
   * Resolves when the first configuration is applied, its listeners listen and the agent was told;
   * rejects with MESH_LISTEN_FAILED when a port of it is taken (which is tried again nevertheless).
   */
  readonly ready: Promise<void>;
  readonly #context: EngineContext;
  readonly #ads: AdsClient;
  readonly #sweep: Sweep;
  readonly #listeners: Listeners;
  #isReady = false;

  constructor(options: EngineOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    // Whoever does not care for readiness must not die of it.
    promise.catch(() => {});
    const context = contextOf(options);
    this.#context = context;
    this.#sweep = new Sweep(context);
    this.#listeners = new Listeners({
      context,
      reusePort: options.reusePort ?? false,
      onFailure: reject,
      onWhole: () => {
        this.#isReady = true;
        resolve();
      },
    });
    this.#ads = new AdsClient({
      ...options,
      config: context.config,
      counters: context.counters,
      onDelta: (delta) => takeDelta(context, delta),
      onAnswered: () => this.#listeners.refresh(),
      openBeside: (client) => new LoadSession(client, { ...options, source: engineLoads(context) }),
    });
  }

  status(): EngineStatus {
    return {
      isReady: this.#isReady,
      isConnected: this.#ads.isConnected,
      listeners: [...this.#listeners].map(([name, { address }]) => ({ name, address })),
      counters: this.#context.counters,
    };
  }

  /** Hosts that it was told of, each once: gateways of other members, and workloads. */
  destinations(): readonly HostPort[] {
    const all = new Map<string, HostPort>();
    for (const { model } of this.#context.config.endpoint.values()) {
      for (const { address } of model?.hosts ?? []) all.set(formatHostPort(address), address);
    }
    return [...all.values()];
  }

  /**
   * Accepts no more, waits for the connections to end, resets what is left after `graceMs`. Those that
   * rest between two requests are ended before that: the next one would be cut.
   */
  async drain(graceMs: number): Promise<void> {
    await this.#listeners.close();
    const { clock, greeting, open, connecting } = this.#context;
    const endMs = clock.monotonicMs() + graceMs;
    const hurryMs = Math.min(maxHurryMs, graceMs / 4);
    let busyMs = clock.monotonicMs();
    for (let leftMs = graceMs; leftMs > 0; leftMs = endMs - clock.monotonicMs()) {
      if (greeting.size + connecting.size + open.size === 0) break;
      this.#endResting({ afterMs: leftMs > hurryMs ? restMs : shortRestMs, busyMs });
      const sleptMs = clock.monotonicMs();
      await new Promise((resolve) => setTimeout(resolve, Math.min(drainStepMs, leftMs)));
      const wokeMs = clock.monotonicMs();
      if (wokeMs - sleptMs > maxStepMs) busyMs = wokeMs;
    }
    await this.close();
  }

  /**
   * Ends connections whose last word was the server's, so long ago. Until `busyMs` this process was busy:
   * what it had not read by then was no silence.
   */
  #endResting({ afterMs, busyMs }: { readonly afterMs: number; readonly busyMs: number }): void {
    const context = this.#context;
    // The sweep's tick is too coarse to tell a pause from a moment.
    context.coarseMs = context.clock.monotonicMs();
    for (const flow of context.open) {
      const quietMs = context.coarseMs - Math.max(flow.lastByteMs, busyMs);
      if (!flow.isAsking && quietMs >= afterMs) closeFlow(flow);
    }
  }

  /** Ends everything now; connections are reset. */
  async close(): Promise<void> {
    this.#ads.close();
    this.#sweep.close();
    await this.#listeners.close();
    const { greeting, connecting, open, tls } = this.#context;
    for (const flow of [...greeting, ...connecting, ...open]) closeFlow(flow);
    tls.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function contextOf(options: EngineOptions): EngineContext {
  const { clock, random, log, identity, spiffeIdOf, verifyChain } = options;
  const judging = verifyChain === undefined ? {} : { verifyChain };
  const counters = zeroCounters();
  return {
    clock,
    random,
    log,
    identity,
    spiffeIdOf,
    limits: { ...defaultLimits, ...options.limits },
    counters,
    refusals: new RefusalLog({ log, clock, counters }),
    config: emptyConfig(),
    pools: new Map(),
    tls: new TlsContexts({ identity, spiffeIdOf, onSecure, ...judging }),
    loads: new Map(),
    greeting: new Set(),
    connecting: new Set(),
    open: new Set(),
    coarseMs: clock.monotonicMs(),
  };
}
