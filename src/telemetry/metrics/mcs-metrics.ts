import type { MetricDeclaration } from "./declaration.ts";

interface McsMetrics {
  readonly mcsWrites: MetricDeclaration<"counter", "call" | "outcome">;
  readonly mcsWaiting: MetricDeclaration<"gauge", never>;
  readonly mcsImports: MetricDeclaration<"gauge", never>;
  readonly dnsAnswers: MetricDeclaration<"counter", "transport" | "outcome">;
  readonly dnsDropped: MetricDeclaration<"counter", "reason">;
}

export const mcsMetrics: McsMetrics = {
  mcsWrites: {
    name: "isthmus_mcs_writes_total",
    kind: "counter",
    help: "Objects of the multi-cluster services API that this agent wrote, by what came of it",
    unit: "1",
    of: "agent",
    labels: {
      call: ["create", "apply", "patch", "delete"],
      outcome: ["ok", "conflict", "refused", "unavailable"],
    },
  },
  mcsWaiting: {
    name: "isthmus_mcs_waiting",
    kind: "gauge",
    help: "Services whose objects in the cluster wait to be looked at or written again",
    unit: "1",
    of: "agent",
    labels: {},
  },
  mcsImports: {
    name: "isthmus_mcs_imports",
    kind: "gauge",
    help: "ServiceImports of this cluster that isthmus made",
    unit: "1",
    of: "agent",
    labels: {},
  },
  dnsAnswers: {
    name: "isthmus_dns_answers_total",
    kind: "counter",
    help: "DNS questions answered for names of the mesh",
    unit: "1",
    of: "both",
    labels: {
      transport: ["udp", "tcp"],
      outcome: ["ok", "no such name", "refused", "malformed", "not implemented", "not known yet"],
    },
  },
  dnsDropped: {
    name: "isthmus_dns_dropped_total",
    kind: "counter",
    help: "DNS messages and connections that got no answer, by reason",
    unit: "1",
    of: "both",
    labels: { reason: ["malformed", "too many", "too slow", "unsent"] },
  },
};
