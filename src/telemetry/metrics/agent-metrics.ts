import type { MetricDeclaration } from "./declaration.ts";

const xdsTypes = ["cluster", "endpoint", "secret", "listener", "route"] as const;
const roles = ["sidecar", "gateway", "grpc"] as const;

interface AgentMetrics {
  readonly buildInfo: MetricDeclaration<"gauge", "version">;
  readonly services: MetricDeclaration<"gauge", "origin">;
  readonly members: MetricDeclaration<"gauge", "state">;
  readonly gatewaysAlive: MetricDeclaration<"gauge", "member">;
  readonly gatewayRtt: MetricDeclaration<"gauge", "member">;
  readonly findings: MetricDeclaration<"gauge", "severity">;
  readonly changeSeconds: MetricDeclaration<"histogram", never>;
  readonly xdsStreams: MetricDeclaration<"gauge", "role">;
  readonly xdsResponses: MetricDeclaration<"counter", "type">;
  readonly xdsSentBytes: MetricDeclaration<"counter", "type">;
  readonly xdsNacks: MetricDeclaration<"counter", "type">;
  readonly xdsRefused: MetricDeclaration<"counter", never>;
  readonly xdsLimited: MetricDeclaration<"counter", "limit">;
  readonly xdsWithheld: MetricDeclaration<"gauge", never>;
  readonly renewals: MetricDeclaration<"counter", "result">;
  readonly issues: MetricDeclaration<"counter", "result">;
  readonly injections: MetricDeclaration<"counter", "result">;
  readonly injectionSeconds: MetricDeclaration<"histogram", never>;
  readonly svidEnds: MetricDeclaration<"gauge", "identity">;
  readonly issuerEnds: MetricDeclaration<"gauge", never>;
  readonly overdue: MetricDeclaration<"gauge", "of">;
  readonly rotationStep: MetricDeclaration<"gauge", "step">;
  readonly rotationProxies: MetricDeclaration<"gauge", "state">;
}

export const agentMetrics: AgentMetrics = {
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
  issues: {
    name: "isthmus_issues_total",
    kind: "counter",
    help: "First SVIDs asked for by a token; the log says why one was refused",
    unit: "1",
    of: "agent",
    labels: { result: ["issued", "refused", "limited", "unproven", "failed"] },
  },
  injections: {
    name: "isthmus_injections_total",
    kind: "counter",
    help: "Pods that an API server asked about: got a sidecar, were left alone, cannot have one, or say nonsense",
    unit: "1",
    of: "agent",
    labels: {
      result: [
        "injected",
        "refused",
        "denied",
        "malformed",
        "left-namespace",
        "left-label",
        "left-present",
      ],
    },
  },
  injectionSeconds: {
    name: "isthmus_injection_seconds",
    kind: "histogram",
    help: "From the question of an API server about a pod to the answer",
    unit: "seconds",
    of: "agent",
    labels: {},
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  },
  svidEnds: {
    name: "isthmus_svid_not_after_seconds",
    kind: "gauge",
    help: "When the process's own SVID ends",
    unit: "unix seconds",
    of: "both",
    labels: { identity: ["agent", "catalog", "engine"] },
  },
  overdue: {
    name: "isthmus_certificates_overdue",
    kind: "gauge",
    help: "Certificates that should have been renewed and were not: of proxies, of the agent itself, of its issuer",
    unit: "1",
    of: "agent",
    labels: { of: ["proxies", "agent", "issuer"] },
  },
  issuerEnds: {
    name: "isthmus_issuer_not_after_seconds",
    kind: "gauge",
    help: "When the member's issuer (member.pem) ends; the root's owner renews it",
    unit: "unix seconds",
    of: "agent",
    labels: {},
  },
  rotationStep: {
    name: "isthmus_root_rotation_step",
    kind: "gauge",
    help: "1 for the step in which the rotation of the root is, 0 for all others",
    unit: "1",
    of: "agent",
    labels: { step: ["idle", "prepared", "publishing", "activating", "draining", "retiring"] },
  },
  rotationProxies: {
    name: "isthmus_root_rotation_proxies",
    kind: "gauge",
    help: "Proxies of this member while the root is rotated: all, those that use the roots in force, those on an old certificate, and those that are away",
    unit: "1",
    of: "agent",
    labels: { state: ["connected", "acknowledged", "old", "silent"] },
  },
};
