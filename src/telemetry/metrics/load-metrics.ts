import { loadErrors } from "../load/fields.ts";
import type { MetricDeclaration } from "./declaration.ts";

interface LoadMetrics {
  readonly loadReporters: MetricDeclaration<"gauge", never>;
  readonly loadReports: MetricDeclaration<"counter", never>;
  readonly loadRefused: MetricDeclaration<"counter", never>;
  readonly loadStrange: MetricDeclaration<"counter", never>;
  readonly loadSeries: MetricDeclaration<"gauge", never>;
  readonly loadBytes: MetricDeclaration<"gauge", never>;
  readonly loadBegun: MetricDeclaration<"counter", "member">;
  readonly loadErrors: MetricDeclaration<"counter", "member" | "kind">;
  readonly loadActive: MetricDeclaration<"gauge", "member">;
  readonly loadReceived: MetricDeclaration<"counter", "member">;
}

export const loadMetrics: LoadMetrics = {
  loadReporters: {
    name: "isthmus_load_reporters",
    kind: "gauge",
    help: "Proxies that report their load",
    unit: "1",
    of: "agent",
    labels: {},
  },
  loadReports: {
    name: "isthmus_load_reports_total",
    kind: "counter",
    help: "Load reports taken from proxies",
    unit: "1",
    of: "agent",
    labels: {},
  },
  loadRefused: {
    name: "isthmus_load_refused_total",
    kind: "counter",
    help: "Streams of load reports that were ended: unproven, malformed, too much or too often",
    unit: "1",
    of: "agent",
    labels: {},
  },
  loadStrange: {
    name: "isthmus_load_strange_total",
    kind: "counter",
    help: "Rows of load reports left out: of no service or member that the proxy may use",
    unit: "1",
    of: "agent",
    labels: {},
  },
  loadSeries: {
    name: "isthmus_load_series",
    kind: "gauge",
    help: "Pairs of service and upstream locality with load in the last 15 minutes",
    unit: "1",
    of: "agent",
    labels: {},
  },
  loadBytes: {
    name: "isthmus_load_history_bytes",
    kind: "gauge",
    help: "Memory of the last 15 minutes of load",
    unit: "bytes",
    of: "agent",
    labels: {},
  },
  loadBegun: {
    name: "isthmus_load_begun_total",
    kind: "counter",
    help: "Connections or requests that proxies of this member began, by the member that serves them",
    unit: "1",
    of: "agent",
    labels: { member: "members of the charter" },
  },
  loadErrors: {
    name: "isthmus_load_errors_total",
    kind: "counter",
    help: "Those that ended badly; no-host and over-limit met no member at all",
    unit: "1",
    of: "agent",
    labels: { member: "members of the charter", kind: loadErrors },
  },
  loadActive: {
    name: "isthmus_load_active",
    kind: "gauge",
    help: "Connections or requests open now, by the member that serves them",
    unit: "1",
    of: "agent",
    labels: { member: "members of the charter" },
  },
  loadReceived: {
    name: "isthmus_load_received_bytes_total",
    kind: "counter",
    help: "Payload that proxies of this member received, by the member that sent it; an Envoy shares out what several sent",
    unit: "bytes",
    of: "agent",
    labels: { member: "members of the charter" },
  },
};
