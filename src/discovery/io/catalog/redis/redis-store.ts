import type { MeshDomain } from "../../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../../mesh/ports.ts";
import type { CatalogStore } from "../../../shards/store.ts";
import type { Timers } from "../../../timers.ts";

/** One Redis; what `catalog.hubs` says of it. Paths are absolute; the files are watched. */
export interface RedisHub {
  /** See `parseHubUrl`. */
  readonly url: string;
  readonly name: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
}

export interface RedisDeps {
  readonly mesh: MeshDomain;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
}

/** Returns at once; the hub need not be reachable. Throws MESH_ADDRESS_INVALID for a wrong url. */
export function openRedisStore(hub: RedisHub, deps: RedisDeps): CatalogStore {
  throw new RangeError(`Cannot open "${hub.name}" of ${deps.mesh}: not built yet`);
}
