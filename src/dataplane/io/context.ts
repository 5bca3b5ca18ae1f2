import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, IdentitySource, Log, Random } from "../../mesh/ports.ts";
import type { Pool } from "../balance/pool.ts";
import type { ConfigState } from "../config/state.ts";
import type { EngineCounters } from "../counters.ts";
import type { Flow } from "./flow.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { TlsContexts } from "./tls-contexts.ts";

/** Reads the one URI name out of a certificate (DER); undefined when there is none or more than one. */
export type SpiffeIdOf = (leafDer: Uint8Array) => SpiffeId | undefined;

export interface EngineLimits {
  /** Connections in all; more are reset at once. */
  readonly maxConnections: number;
  /** Connections whose hello or handshake is not finished; over it the oldest goes. */
  readonly maxPendingHellos: number;
  /** For a downstream TLS handshake. */
  readonly handshakeTimeoutMs: number;
}

/** What all parts of one running engine share. */
export interface EngineContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly identity: IdentitySource;
  readonly spiffeIdOf: SpiffeIdOf;
  readonly limits: EngineLimits;
  readonly counters: EngineCounters;
  readonly refusals: RefusalLog;
  readonly config: ConfigState;
  readonly pools: Map<string, Pool>;
  readonly tls: TlsContexts;
  /** Waiting for their hello or downstream handshake, oldest first. */
  readonly greeting: Set<Flow>;
  /** Waiting for their upstream. */
  readonly connecting: Set<Flow>;
  readonly open: Set<Flow>;
  /** Monotonic, refreshed by the sweep: cheap enough to read at every chunk. */
  coarseMs: number;
}
