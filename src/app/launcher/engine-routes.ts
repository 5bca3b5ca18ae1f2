import type { JsonObject } from "@bufbuild/protobuf";
import type { RefusalReason } from "../../dataplane/counters.ts";
import type { EngineStatus } from "../../dataplane/io/engine.ts";
import { formatHostPort } from "../../mesh/address.ts";
import type { IdentitySource } from "../../mesh/ports.ts";
import type { Telemetry } from "../../telemetry/registry.ts";
import type { EngineConfig } from "../config/config.ts";
import type { HttpRoute } from "../http-server.ts";
import { version } from "../version.ts";

/** The admin port of a launcher. `/readyz` is what a load balancer or a kubelet asks. */
export function engineRoutes(options: {
  readonly config: EngineConfig;
  readonly engine: { readonly status: () => EngineStatus };
  readonly identity: IdentitySource;
  readonly node: { readonly id: string; readonly metadata: JsonObject };
  readonly telemetry: Telemetry;
  /** Load balancers are to send nothing new. */
  readonly isLeaving: () => boolean;
}): readonly HttpRoute[] {
  const { config, engine, identity, node, telemetry } = options;
  telemetry.set("buildInfo", { version }, 1);
  telemetry.onScrape(() => scrape(options));
  return [
    { path: "/healthz", answer: () => ({ t: "text", body: "ok\n" }) },
    {
      path: "/readyz",
      answer: () => {
        const { isReady } = engine.status();
        if (options.isLeaving()) return { t: "text", body: "not ready: it ends\n", status: 503 };
        return isReady
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
    {
      path: "/config",
      answer: () => {
        const { isReady, isConnected, listeners, counters } = engine.status();
        const { id, notAfterMs } = identity.current();
        return {
          t: "json",
          body: {
            version,
            node: node.id,
            metadata: node.metadata,
            agent: formatHostPort(config.agent),
            identity: { id, notAfterMs },
            workers: config.workers,
            isReady,
            isConnected,
            listeners: listeners.map(({ name, address }) => ({
              name,
              address: formatHostPort(address),
            })),
            counters,
          },
        };
      },
    },
  ];
}

/** Closed set of label values; see `telemetry/metrics/`. */
const refusalClass: Readonly<Record<RefusalReason, "hello" | "name" | "peer" | "limit" | "other">> =
  {
    "not-tls": "hello",
    malformed: "hello",
    "too-large": "hello",
    "hello-timeout": "hello",
    "hello-cut": "hello",
    "hello-evicted": "limit",
    "no-filter-chain": "name",
    "no-cluster": "name",
    "no-host": "other",
    "handshake-failed": "peer",
    "handshake-timeout": "peer",
    "no-validation": "peer",
    "not-allowed": "peer",
    "over-limit": "limit",
    draining: "other",
  };

function scrape(options: Parameters<typeof engineRoutes>[0]): void {
  const { engine, identity, telemetry } = options;
  const { listeners, isConnected, counters } = engine.status();
  telemetry.set("engineListeners", {}, listeners.length);
  telemetry.set("engineConnected", {}, isConnected ? 1 : 0);
  telemetry.set("svidEnds", { identity: "engine" }, identity.current().notAfterMs / 1000);
  telemetry.set("engineActive", {}, counters.open);
  telemetry.total("engineAccepted", {}, counters.accepted);
  telemetry.total("engineConnectFailures", {}, counters.connectFailures);
  telemetry.total("engineRetries", {}, counters.retries);
  telemetry.total("engineEjections", {}, counters.ejections);
  telemetry.total("engineProbes", {}, counters.probesAnswered);
  telemetry.total("engineNacks", {}, counters.xdsNacks);
  const refused = new Map<string, number>();
  for (const [reason, count] of Object.entries(counters.refused) as [RefusalReason, number][]) {
    refused.set(refusalClass[reason], (refused.get(refusalClass[reason]) ?? 0) + count);
  }
  for (const [reason, count] of refused) telemetry.total("engineRefused", { reason }, count);
}
