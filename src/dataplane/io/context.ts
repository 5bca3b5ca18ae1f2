import type { Socket } from "node:net";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, IdentitySource, Log, Random } from "../../mesh/ports.ts";
import type { Host, Pool } from "../balance/pool.ts";
import type { ChainModel } from "../config/model.ts";
import type { ConfigState } from "../config/state.ts";
import type { EngineCounters } from "../counters.ts";
import type { Loads, LocalityLoad } from "../load.ts";
import type { RefusalLog } from "./refusal-log.ts";
import type { SpiffeIdOf, TlsContexts } from "./tls-contexts.ts";

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
  readonly loads: Loads;
  /** Waiting for their hello or downstream handshake, oldest first. */
  readonly greeting: Set<Flow>;
  /** Waiting for their upstream. */
  readonly connecting: Set<Flow>;
  readonly open: Set<Flow>;
  /** Monotonic, refreshed by the sweep: cheap enough to read at every chunk. */
  coarseMs: number;
}

/** Finds the flow from a socket: one object per connection instead of one closure per event. */
export const flowKey: unique symbol = Symbol("flow");

export interface FlowSocket extends Socket {
  [flowKey]?: Flow;
}

/** One accepted connection, from its first byte to its end. */
export interface Flow {
  readonly context: EngineContext;
  /** The present one until the handshake ends. */
  listener: ListenerView;
  /** As accepted; the TCP below `down`. */
  readonly raw: FlowSocket;
  /** `raw`, or the TLS session on it. */
  down: FlowSocket;
  phase: "hello" | "handshake" | "connecting" | "open" | "closed";
  chain: ChainModel | undefined;
  serverName: string | undefined;
  /** Proven by mTLS. */
  peer: SpiffeId | undefined;
  /** Read before an upstream was there. */
  head: Buffer | undefined;
  /** How much of `head` is filled. */
  headBytes: number;
  pool: Pool | undefined;
  host: Host | undefined;
  upRaw: FlowSocket | undefined;
  up: FlowSocket | undefined;
  /** The server's identity, proven by mTLS. */
  upPeer: SpiffeId | undefined;
  tried: Tried | undefined;
  /** Where the present attempt or connection counts. */
  load: LocalityLoad | undefined;
  /** Monotonic: begin of the attempt, then of the open connection. */
  sinceMs: number;
  /** TCP to the host is there, its TLS session is not yet. */
  isGreetingHost: boolean;
  /** Payload that was counted already. */
  toldIn: number;
  toldOut: number;
  /** Monotonic: the present phase must be over by then; while open: the end of a drain. */
  deadlineMs: number;
  readonly acceptedMs: number;
  lastByteMs: number;
  /** The last bytes came from the caller, who may wait for an answer. */
  isAsking: boolean;
  /** When its upstream last said something, or was reached. */
  heardMs: number;
  hasKeepalive: boolean;
  /** Full reads in a row; a busy stream gets a buffer of its own. */
  fullReads: number;
  buffer: Uint8Array | undefined;
}

/** The failed attempts of one connection. */
export interface Tried {
  count: number;
  readonly hosts: Set<Host>;
  /** Of `hosts`: silent for too long, which may be the path's fault or this process's. */
  readonly late: Set<Host>;
}

/** What a flow needs of the listener that accepted it. */
export interface ListenerView {
  readonly name: string;
  readonly chains: readonly ChainModel[];
  readonly inspector?: { readonly timeoutMs: number; readonly maxHelloBytes: number };
}
