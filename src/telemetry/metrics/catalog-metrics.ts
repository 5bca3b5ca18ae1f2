import type { MetricDeclaration } from "./declaration.ts";

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

interface CatalogMetrics {
  readonly shardAge: MetricDeclaration<"gauge", "member">;
  readonly catalogSeq: MetricDeclaration<"gauge", never>;
  readonly catalogSynced: MetricDeclaration<"gauge", never>;
  readonly catalogHubs: MetricDeclaration<"gauge", "state">;
  readonly hubConnections: MetricDeclaration<"gauge", "hub">;
  readonly hubFailures: MetricDeclaration<"counter", "hub" | "kind">;
  readonly hubSeconds: MetricDeclaration<"histogram", "hub" | "call">;
  readonly charterNumber: MetricDeclaration<"gauge", never>;
}

export const catalogMetrics: CatalogMetrics = {
  shardAge: {
    name: "isthmus_shard_age_seconds",
    kind: "gauge",
    help: "Since the last new beat of a member's shard",
    unit: "seconds",
    of: "agent",
    labels: { member: "members of the charter" },
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
};
