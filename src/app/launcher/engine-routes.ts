import type { JsonObject } from "@bufbuild/protobuf";
import { formatHostPort, isLoopback } from "../../mesh/address.ts";
import type { IdentitySource } from "../../mesh/ports.ts";
import type { Telemetry } from "../../telemetry/registry.ts";
import type { GatewayConfig, SidecarConfig } from "../config/config.ts";
import type { HttpRoute } from "../http-server.ts";
import { version } from "../version.ts";
import { type LaunchedEngine, refusalClasses } from "./engine-port.ts";
import { probeRoutes } from "./probe-routes.ts";

interface EngineRoutesOptions {
  readonly config: GatewayConfig | SidecarConfig;
  readonly engine: Pick<LaunchedEngine, "isReady" | "report" | "ownMetrics">;
  readonly identity: IdentitySource;
  readonly node: { readonly id: string; readonly metadata: JsonObject };
  readonly telemetry: Telemetry;
  /** Load balancers are to send nothing new. */
  readonly isLeaving: () => boolean;
  /** When the agent was told that its first configuration is in force, ms; undefined: not yet. */
  readonly firstConfigAfterMs?: () => number | undefined;
}

/**
 * The admin port of a launcher. `/readyz` is what a load balancer or a kubelet asks. What it is told by its
 * agent is for its own machine: where others reach the port, it says how it fares and no more.
 */
export function engineRoutes(options: EngineRoutesOptions): readonly HttpRoute[] {
  const { config, engine, telemetry } = options;
  telemetry.set("buildInfo", { version }, 1);
  telemetry.onScrape(() => scrape(options));
  return [
    { path: "/healthz", answer: () => ({ t: "text", body: "ok\n" }) },
    {
      path: "/readyz",
      answer: () => {
        if (options.isLeaving()) return { t: "text", body: "not ready: it ends\n", status: 503 };
        return engine.isReady()
          ? { t: "text", body: "ok\n" }
          : { t: "text", body: "not ready: no configuration yet\n", status: 503 };
      },
    },
    {
      path: "/metrics",
      answer: async () => ({
        t: "text",
        body: await telemetry.render(),
        type: telemetry.contentType,
      }),
    },
    ...ownMetricsRoute(options.engine),
    ...probeRoutes("probePorts" in config ? config.probePorts : undefined),
    ...(isLoopback(config.admin.host) ? [configRoute(options)] : []),
  ];
}

function configRoute(options: EngineRoutesOptions): HttpRoute {
  const { config, engine, identity, node, firstConfigAfterMs } = options;
  return {
    path: "/config",
    answer: async () => {
      const { isReady, isConnected, listeners, counts, details } = await engine.report();
      const { id, notAfterMs } = identity.current();
      return {
        t: "json",
        body: {
          version,
          node: node.id,
          metadata: node.metadata,
          agent: formatHostPort(config.agent),
          identity: { id, notAfterMs },
          engine: config.engine,
          workers: config.workers,
          isReady,
          isConnected,
          // Since this process began; left out until then.
          firstConfigAfterMs: firstConfigAfterMs?.(),
          listeners: listeners.map(({ name, address }) => ({
            name,
            address: formatHostPort(address),
          })),
          counts,
          ...details,
        },
      };
    },
  };
}

function ownMetricsRoute(engine: Pick<LaunchedEngine, "ownMetrics">): HttpRoute[] {
  const ownMetrics = engine.ownMetrics?.bind(engine);
  if (ownMetrics === undefined) return [];
  const type = "text/plain; version=0.0.4; charset=utf-8";
  return [
    {
      path: "/metrics/envoy",
      answer: async () => ({ t: "text", body: await ownMetrics(), type }),
    },
  ];
}

async function scrape(options: EngineRoutesOptions): Promise<void> {
  const { engine, identity, telemetry } = options;
  const { listeners, isConnected, counts } = await engine.report();
  telemetry.set("engineListeners", {}, listeners.length);
  telemetry.set("engineConnected", {}, isConnected ? 1 : 0);
  telemetry.set("svidEnds", { identity: "engine" }, identity.current().notAfterMs / 1000);
  telemetry.set("engineActive", {}, counts.open);
  telemetry.total("engineAccepted", {}, counts.accepted);
  telemetry.total("engineConnectFailures", {}, counts.connectFailures);
  telemetry.total("engineRetries", {}, counts.retries);
  telemetry.total("engineEjections", {}, counts.ejections);
  if (counts.probes !== undefined) telemetry.total("engineProbes", {}, counts.probes);
  telemetry.total("engineNacks", {}, counts.nacks);
  telemetry.total("engineRestarts", {}, counts.restarts);
  for (const reason of refusalClasses) {
    telemetry.total("engineRefused", { reason }, counts.refused[reason]);
  }
}
