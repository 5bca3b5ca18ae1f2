import type { HubMeter } from "../../../discovery/io/catalog/redis/redis-hub.ts";
import { hubFailureKinds } from "../../../telemetry/metrics/catalog-metrics.ts";
import type { Telemetry } from "../../../telemetry/registry.ts";

/** Counts what stores tell of their hubs; every series is there from the start. */
export function hubMeter(telemetry: Telemetry, hubs: readonly string[]): HubMeter {
  for (const hub of hubs) {
    telemetry.set("hubConnections", { hub }, 0);
    for (const kind of hubFailureKinds) telemetry.count("hubFailures", { hub, kind }, 0);
  }
  return {
    connections: (hub, count) => telemetry.set("hubConnections", { hub }, count),
    called: (hub, call, seconds) => telemetry.observe("hubSeconds", { hub, call }, seconds),
    failed: (hub, kind) => telemetry.count("hubFailures", { hub, kind }),
  };
}
