import type { MeshDomain } from "../../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../../mesh/ports.ts";
import type { hubFailureKinds } from "../../../../telemetry/metrics/catalog-metrics.ts";
import type { Timers } from "../../../timers.ts";

/** One Redis, in whatever shape, that carries the catalog. Paths are absolute; the files are watched. */
export interface RedisHub {
  /** Without user and password; the forms stand at `parseHubUrl`. */
  readonly url: string;
  /** Unique among the hubs; the url's host part unless the operator says otherwise. */
  readonly name: string;
  readonly username?: string;
  readonly passwordFile?: string;
  /** Who may have signed the server's certificate; absent: whom Node trusts. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** The name in the server's certificate, where it is not the host of the url. */
  readonly serverName?: string;
}

export interface RedisDeps {
  readonly mesh: MeshDomain;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  /** Told of everything that is counted; absent: nobody counts. */
  readonly meter?: HubMeter;
}

/** What a hub's metrics are made of. */
export interface HubMeter {
  /** Connections to the server in use: one for commands, one for the logs. */
  readonly connections: (hub: string, count: number) => void;
  readonly called: (hub: string, call: HubCall, seconds: number) => void;
  readonly failed: (hub: string, kind: HubFailureKind) => void;
}

/** Calls whose duration says how the hub is; following the logs is mostly waiting. */
export type HubCall = "publish" | "snapshot" | "heads" | "charters";

/** Why a call failed, for a metric's label and for how long to wait. */
export type HubFailureKind = (typeof hubFailureKinds)[number];
