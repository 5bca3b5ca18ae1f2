import { createMemoryHub } from "../../../discovery/io/catalog/memory-store.ts";
import { openRedisStore } from "../../../discovery/io/catalog/redis/redis-store.ts";
import type { CatalogStore } from "../../../discovery/shards/store.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Telemetry } from "../../../telemetry/registry.ts";
import type { AgentConfig } from "../../config/config.ts";
import { realClock, realTimers } from "../../real-time.ts";
import { hubMeter } from "./hub-meter.ts";

/**
 * One store for each hub of the configuration; none of them needs to answer yet. Without hubs the
 * catalog lives and dies with this process: enough for a member alone.
 */
export function openHubs(
  config: Pick<AgentConfig, "mesh" | "catalog">,
  deps: {
    readonly log: Log;
    readonly clock?: Clock;
    readonly random?: Random;
    /** The agent's, so that its metrics tell of its hubs. */
    readonly telemetry?: Telemetry;
  },
): readonly CatalogStore[] {
  const { hubs } = config.catalog;
  if (hubs === undefined) {
    return [createMemoryHub({ name: "memory", timers: realTimers }).connect()];
  }
  const { log, clock = realClock, random = Math.random } = deps;
  const names = hubs.map(({ name }) => name);
  const store = {
    mesh: config.mesh,
    clock,
    timers: realTimers,
    random,
    log,
    ...(deps.telemetry === undefined ? {} : { meter: hubMeter(deps.telemetry, names) }),
  };
  return hubs.map((hub) => openRedisStore(hub, store));
}
