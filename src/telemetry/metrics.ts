import { loadErrors } from "./load/fields.ts";

/**
 * Every metric of every process, declared once: name, help, unit and the whole set of values each
 * label may have. `docs/metrics.md` is checked against this file.
 */
export type MetricKind = "counter" | "gauge" | "histogram";

/** The values a label may have, or whose names bound it. Nothing else is ever a label. */
export type LabelValues =
  | readonly string[]
  | "members of the charter"
  | "hubs of the configuration";

export interface MetricDeclaration<
  Kind extends MetricKind = MetricKind,
  Label extends string = string,
> {
  readonly name: string;
  readonly kind: Kind;
  readonly help: string;
  readonly unit: "1" | "seconds" | "bytes" | "unix seconds";
  /** Which processes have it. */
  readonly of: "agent" | "engine" | "both";
  readonly labels: Readonly<Record<Label, LabelValues>>;
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[];
}

const xdsTypes = ["cluster", "endpoint", "secret", "listener", "route"] as const;
/** Why a hub's server could not be asked, or refused. */
export const hubFailureKinds = [
  "unreachable",
  "silent",
  "tls",
  "auth",
  "forbidden",
  "full",
  "replica",
  "moved",
  "busy",
  "junk",
  "other",
] as const;
const roles = ["sidecar", "gateway", "grpc"] as const;

interface MetricTable {
  readonly buildInfo: MetricDeclaration<"gauge", "version">;
  readonly services: MetricDeclaration<"gauge", "origin">;
  readonly members: MetricDeclaration<"gauge", "state">;
  readonly shardAge: MetricDeclaration<"gauge", "member">;
  readonly gatewaysAlive: MetricDeclaration<"gauge", "member">;
  readonly gatewayRtt: MetricDeclaration<"gauge", "member">;
  readonly findings: MetricDeclaration<"gauge", "severity">;
  readonly catalogSeq: MetricDeclaration<"gauge", never>;
  readonly catalogSynced: MetricDeclaration<"gauge", never>;
  readonly catalogHubs: MetricDeclaration<"gauge", "state">;
  readonly hubConnections: MetricDeclaration<"gauge", "hub">;
  readonly hubFailures: MetricDeclaration<"counter", "hub" | "kind">;
  readonly hubSeconds: MetricDeclaration<"histogram", "hub" | "call">;
  readonly charterNumber: MetricDeclaration<"gauge", never>;
  readonly changeSeconds: MetricDeclaration<"histogram", never>;
  readonly xdsStreams: MetricDeclaration<"gauge", "role">;
  readonly xdsResponses: MetricDeclaration<"counter", "type">;
  readonly xdsSentBytes: MetricDeclaration<"counter", "type">;
  readonly xdsNacks: MetricDeclaration<"counter", "type">;
  readonly xdsRefused: MetricDeclaration<"counter", never>;
  readonly xdsLimited: MetricDeclaration<"counter", "limit">;
  readonly xdsWithheld: MetricDeclaration<"gauge", never>;
  readonly renewals: MetricDeclaration<"counter", "result">;
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
  readonly svidEnds: MetricDeclaration<"gauge", "identity">;
  readonly issuerEnds: MetricDeclaration<"gauge", never>;
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
}

export const metrics: MetricTable = {
  buildInfo: {
    name: "isthmus_build_info",
    kind: "gauge",
    help: "Always 1; the label says which version runs",
    unit: "1",
    of: "both",
    labels: { version: [] },
  },
  services: {
    name: "isthmus_services",
    kind: "gauge",
    help: "Services known to this agent, by where they come from",
    unit: "1",
    of: "agent",
    labels: { origin: ["local", "exported", "remote"] },
  },
  members: {
    name: "isthmus_members",
    kind: "gauge",
    help: "Other members of the charter, by their state as seen from here",
    unit: "1",
    of: "agent",
    labels: { state: ["live", "stale", "unreachable", "down", "absent"] },
  },
  shardAge: {
    name: "isthmus_shard_age_seconds",
    kind: "gauge",
    help: "Since the last new beat of a member's shard",
    unit: "seconds",
    of: "agent",
    labels: { member: "members of the charter" },
  },
  gatewaysAlive: {
    name: "isthmus_gateway_addresses_alive",
    kind: "gauge",
    help: "Gateway addresses of a member that answer probes",
    unit: "1",
    of: "agent",
    labels: { member: "members of the charter" },
  },
  gatewayRtt: {
    name: "isthmus_gateway_rtt_seconds",
    kind: "gauge",
    help: "Shortest round-trip time measured to a member's gateways",
    unit: "seconds",
    of: "agent",
    labels: { member: "members of the charter" },
  },
  findings: {
    name: "isthmus_findings",
    kind: "gauge",
    help: "Findings that `isthmus check` shows now",
    unit: "1",
    of: "agent",
    labels: { severity: ["error", "warning", "info"] },
  },
  catalogSeq: {
    name: "isthmus_catalog_seq",
    kind: "gauge",
    help: "Sequence number of the own shard; grows with each publication",
    unit: "1",
    of: "agent",
    labels: {},
  },
  catalogSynced: {
    name: "isthmus_catalog_synced",
    kind: "gauge",
    help: "1 while some hub holds all that this member publishes, or another replica sees to it",
    unit: "1",
    of: "agent",
    labels: {},
  },
  catalogHubs: {
    name: "isthmus_catalog_hubs",
    kind: "gauge",
    help: "Hubs by what they are to this agent: holding all it publishes, behind, one way only, silent",
    unit: "1",
    of: "agent",
    labels: { state: ["synced", "standby", "behind", "read-only", "write-only", "unreachable"] },
  },
  hubConnections: {
    name: "isthmus_hub_connections",
    kind: "gauge",
    help: "Connections to a hub's server: two when all is well, one for commands and one for the logs",
    unit: "1",
    of: "agent",
    labels: { hub: "hubs of the configuration" },
  },
  hubFailures: {
    name: "isthmus_hub_failures_total",
    kind: "counter",
    help: "Failed attempts to connect, lost connections and refused commands, by what was wrong",
    unit: "1",
    of: "agent",
    labels: { hub: "hubs of the configuration", kind: hubFailureKinds },
  },
  hubSeconds: {
    name: "isthmus_hub_call_seconds",
    kind: "histogram",
    help: "How long a hub takes to answer, by what was asked",
    unit: "seconds",
    of: "agent",
    labels: {
      hub: "hubs of the configuration",
      call: ["publish", "snapshot", "heads", "charters"],
    },
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  },
  charterNumber: {
    name: "isthmus_charter_number",
    kind: "gauge",
    help: "Number of the charter in force",
    unit: "1",
    of: "agent",
    labels: {},
  },
  changeSeconds: {
    name: "isthmus_change_seconds",
    kind: "histogram",
    help: "From a change of state to the resources made of it",
    unit: "seconds",
    of: "agent",
    labels: {},
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  },
  xdsStreams: {
    name: "isthmus_xds_streams",
    kind: "gauge",
    help: "Open xDS streams",
    unit: "1",
    of: "agent",
    labels: { role: roles },
  },
  xdsResponses: {
    name: "isthmus_xds_responses_total",
    kind: "counter",
    help: "xDS responses sent",
    unit: "1",
    of: "agent",
    labels: { type: xdsTypes },
  },
  xdsSentBytes: {
    name: "isthmus_xds_sent_bytes_total",
    kind: "counter",
    help: "Bytes of xDS responses sent",
    unit: "bytes",
    of: "agent",
    labels: { type: xdsTypes },
  },
  xdsNacks: {
    name: "isthmus_xds_nacks_total",
    kind: "counter",
    help: "xDS responses that a proxy refused",
    unit: "1",
    of: "agent",
    labels: { type: xdsTypes },
  },
  xdsRefused: {
    name: "isthmus_xds_refused_total",
    kind: "counter",
    help: "xDS streams refused: not warm yet, identity does not fit, too many",
    unit: "1",
    of: "agent",
    labels: {},
  },
  xdsLimited: {
    name: "isthmus_xds_limited_total",
    kind: "counter",
    help: "Connections, streams and renewals refused because one identity had its share",
    unit: "1",
    of: "agent",
    labels: { limit: ["connections", "streams", "renewals"] },
  },
  xdsWithheld: {
    name: "isthmus_xds_withheld",
    kind: "gauge",
    help: "Resources that break a rule of their proto: their last good versions are served",
    unit: "1",
    of: "agent",
    labels: {},
  },
  renewals: {
    name: "isthmus_renewals_total",
    kind: "counter",
    help: "SVIDs asked for at the agent",
    unit: "1",
    of: "agent",
    labels: { result: ["issued", "refused"] },
  },
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
    help: "Payload that proxies of this member received, by the member that sent it",
    unit: "bytes",
    of: "agent",
    labels: { member: "members of the charter" },
  },
  svidEnds: {
    name: "isthmus_svid_not_after_seconds",
    kind: "gauge",
    help: "When the process's own SVID ends",
    unit: "unix seconds",
    of: "both",
    labels: { identity: ["agent", "catalog", "engine"] },
  },
  issuerEnds: {
    name: "isthmus_issuer_not_after_seconds",
    kind: "gauge",
    help: "When the member's issuer (member.pem) ends; the root's owner renews it",
    unit: "unix seconds",
    of: "agent",
    labels: {},
  },
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
    help: "Probes of other members that this gateway answered",
    unit: "1",
    of: "engine",
    labels: {},
  },
};

export type MetricKey = keyof MetricTable;
