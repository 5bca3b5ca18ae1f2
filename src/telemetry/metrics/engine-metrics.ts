import type { MetricDeclaration } from "./declaration.ts";

interface EngineMetrics {
  readonly engineListeners: MetricDeclaration<"gauge", never>;
  readonly engineConnected: MetricDeclaration<"gauge", never>;
  readonly engineNacks: MetricDeclaration<"counter", never>;
  readonly engineActive: MetricDeclaration<"gauge", never>;
  readonly engineAccepted: MetricDeclaration<"counter", never>;
  readonly engineRefused: MetricDeclaration<"counter", "reason">;
  readonly engineConnectFailures: MetricDeclaration<"counter", never>;
  readonly engineEjections: MetricDeclaration<"counter", never>;
  readonly engineRetries: MetricDeclaration<"counter", never>;
  readonly engineProbes: MetricDeclaration<"counter", never>;
  readonly engineRestarts: MetricDeclaration<"counter", never>;
}

export const engineMetrics: EngineMetrics = {
  engineListeners: {
    name: "isthmus_engine_listeners",
    kind: "gauge",
    help: "Listeners that take connections",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineConnected: {
    name: "isthmus_engine_agent_connected",
    kind: "gauge",
    help: "1 while the stream to the agent is open",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineNacks: {
    name: "isthmus_engine_nacks_total",
    kind: "counter",
    help: "xDS responses this engine refused",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineActive: {
    name: "isthmus_engine_connections",
    kind: "gauge",
    help: "Connections open now",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineAccepted: {
    name: "isthmus_engine_connections_total",
    kind: "counter",
    help: "Connections taken",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineRefused: {
    name: "isthmus_engine_refused_total",
    kind: "counter",
    help: "Connections closed before they were forwarded: bad hello, unknown name, peer refused, limit",
    unit: "1",
    of: "engine",
    labels: { reason: ["hello", "name", "peer", "limit", "other"] },
  },
  engineConnectFailures: {
    name: "isthmus_engine_connect_failures_total",
    kind: "counter",
    help: "Attempts to connect to a host that failed",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineEjections: {
    name: "isthmus_engine_ejections_total",
    kind: "counter",
    help: "Hosts put aside by outlier detection",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineRetries: {
    name: "isthmus_engine_retries_total",
    kind: "counter",
    help: "Connects tried again on another host",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineProbes: {
    name: "isthmus_engine_probes_answered_total",
    kind: "counter",
    help: "Probes of other members that this gateway answered (embedded engine)",
    unit: "1",
    of: "engine",
    labels: {},
  },
  engineRestarts: {
    name: "isthmus_engine_restarts_total",
    kind: "counter",
    help: "Envoys started again after they had ended by themselves",
    unit: "1",
    of: "engine",
    labels: {},
  },
};
