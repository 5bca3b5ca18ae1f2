import type { JsonObject } from "@bufbuild/protobuf";
import type { HostPort } from "../../mesh/address.ts";
import type { SpiffeId } from "../../mesh/ids.ts";
import type { Clock, IdentitySource, Log, Random } from "../../mesh/ports.ts";

/** What an engine is, and with what it is run. */
export interface EngineParts {
  /** xDS node id of this run. */
  readonly id: string;
  readonly metadata: JsonObject;
  /** Empty when unknown. */
  readonly zone: string;
  /** What the agent will tell it to listen on. */
  readonly listens: readonly HostPort[];
  /** Only this identity may configure the engine. */
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a launcher starts: an engine in this thread, several in their own, or an Envoy. */
export interface LaunchedEngine {
  /**
   * Resolves when the first configuration is in force and its listeners listen. May reject with
   * MESH_LISTEN_FAILED; the engine tries again nevertheless.
   */
  readonly ready: Promise<void>;
  /** As of the last look at it: what a load balancer may be told without asking the engine. */
  readonly isReady: () => boolean;
  /** As of the last look at it. */
  readonly listeners: () => readonly ListenerReport[];
  /** Of the Envoy that runs now; undefined: there is none. */
  readonly pid: () => number | undefined;
  /** What Envoy itself measures, in Prometheus' text format; absent: there is nothing but the report. */
  readonly ownMetrics?: () => Promise<string>;
  readonly report: () => Promise<EngineReport>;
  /** Lets connections end, at most for so long, then ends. */
  readonly drain: (graceMs: number) => Promise<void>;
  /** Ends at once. */
  readonly close: () => Promise<void>;
}

export interface ListenerReport {
  readonly name: string;
  /** Where it really listens. */
  readonly address: HostPort;
}

/** What the admin port says of any engine. */
export interface EngineReport {
  readonly isReady: boolean;
  /** To an agent. */
  readonly isConnected: boolean;
  readonly listeners: readonly ListenerReport[];
  readonly counts: EngineCounts;
  /** What only this kind of engine has to say, for `/config`. */
  readonly details: object;
}

/** What both engines count, for metrics: totals, except `open`. */
export interface EngineCounts {
  readonly open: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<RefusalClass, number>>;
  readonly connectFailures: number;
  readonly retries: number;
  readonly ejections: number;
  readonly nacks: number;
  /** Absent: this engine does not count them apart. */
  readonly probes?: number;
  /** How often it was started again after it had ended by itself. */
  readonly restarts: number;
}

export const refusalClasses = ["hello", "name", "peer", "limit", "other"] as const;
export type RefusalClass = (typeof refusalClasses)[number];
