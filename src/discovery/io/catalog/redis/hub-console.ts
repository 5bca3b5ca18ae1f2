import type { HostPort } from "../../../../mesh/address.ts";
import type { RedisDeps, RedisHub } from "./redis-store.ts";

/** One connection to the server of a hub that may be written, for questions of an operator. */
export interface HubConsole extends AsyncDisposable {
  readonly shape: "standalone" | "sentinel" | "cluster";
  /** Of the server that answers. */
  readonly address: HostPort;
  /**
   * One command; replies as in RESP2: text, number, null or a list of them. Throws
   * MESH_CATALOG_UNAVAILABLE, also where the server refuses the command: its words are in the message.
   */
  readonly call: (...command: readonly [string, ...(string | number)[]]) => Promise<unknown>;
}

/** Throws MESH_CATALOG_UNAVAILABLE when the hub does not answer or refuses the credentials. */
export function connectHub(
  hub: RedisHub,
  deps: Pick<RedisDeps, "mesh" | "timers" | "clock">,
  signal: AbortSignal,
): Promise<HubConsole> {
  signal.throwIfAborted();
  throw new RangeError(`Cannot connect to "${hub.name}" of ${deps.mesh}: not built yet`);
}
