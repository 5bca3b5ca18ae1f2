import type { JsonObject } from "@bufbuild/protobuf";
import type { HostPort } from "../../mesh/address.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, IdentitySource, Log, Random } from "../../mesh/ports.ts";
import type { Pool } from "../balance/pool.ts";
import { createPool, updatePool } from "../balance/pool.ts";
import type { AssignmentModel, ClusterModel, ListenerModel } from "../config/model.ts";
import type { Applied, Delta } from "../config/state.ts";
import { applyDelta, emptyConfig, forgetUnwanted, isListenerWarm } from "../config/state.ts";
import type { EngineCounters } from "../counters.ts";
import { zeroCounters } from "../counters.ts";
import { isAllowed } from "../rbac.ts";
import { onSecure } from "./accept.ts";
import { AdsClient } from "./ads-client.ts";
import type { EngineContext, EngineLimits, SpiffeIdOf } from "./context.ts";
import type { Flow } from "./flow.ts";
import { closeFlow } from "./flow.ts";
import { ListenerSocket } from "./listener-socket.ts";
import { RefusalLog } from "./refusal-log.ts";
import { Sweep } from "./sweep.ts";
import { isNamed, TlsContexts } from "./tls-contexts.ts";

export interface EngineOptions {
  readonly node: { readonly id: string; readonly metadata: JsonObject };
  /** The agent's xDS port. */
  readonly agent: HostPort;
  /** `spiffe://<own trust domain>/isthmus/agent`: only this identity may configure the engine. */
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  readonly spiffeIdOf: SpiffeIdOf;
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
// A port may be free again soon: an old process that is going.
const listenRetryMs = 1_000;

/** The embedded data plane: an xDS client, its listeners and its connections. */
export class Engine {
  /**
   * Resolves when the first configuration is applied, its listeners listen and the agent was told;
   * rejects with MESH_LISTEN_FAILED when a port of it is taken (which is tried again nevertheless).
   */
  readonly ready: Promise<void>;
  readonly #context: EngineContext;
  readonly #reusePort: boolean;
  readonly #ads: AdsClient;
  readonly #sweep: Sweep;
  readonly #listeners = new Map<string, ListenerSocket>();
  readonly #readiness = Promise.withResolvers<void>();
  #isReady = false;
  #isClosing = false;
  /** Listeners are opened one after the other, so that a later configuration wins. */
  #work: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;

  constructor(options: EngineOptions) {
    this.ready = this.#readiness.promise;
    // Whoever does not care for readiness must not die of it.
    this.ready.catch(() => {});
    this.#reusePort = options.reusePort ?? false;
    this.#context = contextOf(options);
    this.#sweep = new Sweep(this.#context);
    this.#ads = new AdsClient({
      ...options,
      config: this.#context.config,
      counters: this.#context.counters,
      onDelta: (delta) => this.#apply(delta),
      onAnswered: () => this.#openWarm(),
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

  /** Accepts no more, waits for the connections to end, resets what is left after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#isClosing = true;
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
    const { clock, open, connecting } = this.#context;
    const endMs = clock.monotonicMs() + graceMs;
    while (open.size + connecting.size > 0 && clock.monotonicMs() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(50, graceMs)));
    }
    await this.close();
  }

  /** Ends everything now; connections are reset. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#retry);
    this.#ads.close();
    this.#sweep.close();
    await this.#work;
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
    const { greeting, connecting, open, tls } = this.#context;
    for (const flow of [...greeting, ...connecting, ...open]) closeFlow(flow);
    tls.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #apply(delta: Delta): Applied {
    const { config } = this.#context;
    const applied = applyDelta(config, delta);
    switch (delta.type) {
      case "cluster":
        for (const name of applied.changed) this.#updateCluster(name);
        break;
      case "endpoint":
        this.#updateEndpoints(new Set(applied.changed));
        break;
      case "secret":
        this.#closeUnproven();
        break;
      case "listener":
        break;
    }
    if (delta.type === "cluster" || delta.type === "listener") forgetUnwanted(config);
    return applied;
  }

  #updateCluster(name: string): void {
    const { config, pools } = this.#context;
    const model = config.cluster.get(name)?.model;
    // Its connections live on: a withdrawn export ends new ones only.
    if (model === undefined) return void pools.delete(name);
    this.#updatePool(name, model);
  }

  /** Several clusters may share one EDS name. */
  #updateEndpoints(names: ReadonlySet<string>): void {
    for (const [name, { model }] of this.#context.config.cluster) {
      if (model?.source.t === "eds" && names.has(model.source.name)) this.#updatePool(name, model);
    }
  }

  #updatePool(name: string, model: ClusterModel): void {
    const { pools } = this.#context;
    const assignment = assignmentFor(this.#context, model);
    const pool = pools.get(name);
    if (pool === undefined) {
      pools.set(name, createPool(model, assignment));
      return;
    }
    const { fallen } = updatePool(pool, { model, assignment });
    if (fallen.length > 0)
      this.#closeWhere(({ host }) => host !== undefined && fallen.includes(host));
  }

  /** An identity that left a validation context loses its connections too. */
  #closeUnproven(): void {
    const { secret } = this.#context.config;
    this.#closeWhere(({ host, pool, upPeer }) => {
      if (host?.tls === undefined || pool === undefined || upPeer === undefined) return false;
      const validation = secret.get(host.tls.validation.secret)?.model;
      return validation === undefined || !isNamed(validation, upPeer);
    });
  }

  /** A caller that the rules no longer allow, after a member was denied. */
  #closeForbidden(model: ListenerModel): void {
    const terminating = model.chains.filter(({ tls }) => tls !== undefined);
    this.#closeWhere(({ listener, peer }) => {
      if (listener.name !== model.name || peer === undefined) return false;
      return !terminating.some(({ rbac }) => isAllowed(rbac, peer));
    });
  }

  #closeWhere(isOver: (flow: Flow) => boolean): void {
    const { open, counters } = this.#context;
    for (const flow of open) {
      if (!isOver(flow)) continue;
      counters.closedByConfig += 1;
      closeFlow(flow);
    }
  }

  #openWarm(): void {
    this.#work = this.#work.then(() => this.#openListeners());
  }

  async #openListeners(): Promise<void> {
    const { config } = this.#context;
    if (this.#isClosing || !config.answered.has("listener")) return;
    for (const [name, listener] of this.#listeners) {
      if (config.listener.has(name)) continue;
      listener.close();
      this.#listeners.delete(name);
    }
    let isWhole = true;
    for (const { model } of config.listener.values()) {
      if (model === undefined || this.#listeners.get(model.name)?.model === model) continue;
      if (!isListenerWarm(config, model)) isWhole = false;
      else if (!(await this.#openListener(model))) isWhole = false;
    }
    if (isWhole && !this.#isReady && !this.#isClosing) {
      this.#isReady = true;
      this.#readiness.resolve();
    }
  }

  /** False: the port could not be had; tried again. An earlier listener of that name keeps serving. */
  async #openListener(model: ListenerModel): Promise<boolean> {
    const old = this.#listeners.get(model.name);
    if (old?.update(model)) {
      this.#closeForbidden(model);
      return true;
    }
    // The same port with another kind of socket: the old one has to go first.
    if (old !== undefined && old.model.bind.port === model.bind.port) old.close();
    try {
      const listener = await ListenerSocket.open(this.#context, {
        model,
        reusePort: this.#reusePort,
      });
      old?.close();
      this.#listeners.set(model.name, listener);
      return true;
    } catch (cause) {
      const reason = reasonOf(cause);
      this.#context.log.error(
        { err: cause, listener: model.name, reason },
        "Cannot listen, trying again",
      );
      const error =
        cause instanceof MeshError ? cause : new MeshError("MESH_LISTEN_FAILED", reason, { cause });
      this.#readiness.reject(error);
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#openWarm(), listenRetryMs);
      return false;
    }
  }
}

function contextOf(options: EngineOptions): EngineContext {
  const { clock, random, log, identity, spiffeIdOf } = options;
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
    pools: new Map<string, Pool>(),
    tls: new TlsContexts({ identity, spiffeIdOf, onSecure }),
    greeting: new Set(),
    connecting: new Set(),
    open: new Set(),
    coarseMs: clock.monotonicMs(),
  };
}

function assignmentFor(
  { config }: EngineContext,
  model: ClusterModel,
): AssignmentModel | undefined {
  if (model.source.t === "static") return model.source.assignment;
  return config.endpoint.get(model.source.name)?.model;
}
