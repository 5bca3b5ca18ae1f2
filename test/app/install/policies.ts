// Objects of isthmus.dev/v1alpha1, right ones and such as admission refuses.

export interface Refused {
  readonly claim: string;
  readonly kind: string;
  readonly spec: object;
  /** What the answer has to name. */
  readonly names: RegExp;
}

/** By kind: a spec with all fields that there are. */
export const goodSpecs: Readonly<Record<string, object>> = {
  AccessPolicy: {
    services: ["cart"],
    from: [
      { identities: ["spiffe://eks-us-east-1.acme.mesh/ns/shop/sa/frontend"] },
      { namespaces: ["shop"], members: ["gke-asia-east1"] },
    ],
  },
  Drill: {
    scope: { member: "eks-us-east-1" },
    mode: "drain",
    steps: [10, 50, 100],
    duration: "10m",
    guardrails: { minSuccessPercent: 99.9, maxP99: "800ms" },
    plan: "0".repeat(64),
  },
  DrillPolicy: {
    scopes: ["service", "zone"],
    namespaces: ["shop"],
    operators: ["ann"],
    maxDuration: "30m",
  },
  FailoverPolicy: {
    services: ["cart"],
    regions: ["westeurope", "asia-east1"],
    strictZones: true,
    overprovisioningPercent: 140,
  },
  ImportPolicy: { namespaces: ["shop"], members: ["gke-asia-east1"] },
  Scope: { serviceAccounts: ["frontend"], services: ["shop/*", "bank/ledger"] },
  WorkloadGroup: {
    serviceAccount: "cart",
    ports: [{ name: "http", port: 8080 }],
    labels: { app: "cart" },
    locality: { region: "us-east-1", zone: "rack-1" },
    healthCheck: { http: { port: 8080, path: "/healthz" }, period: "5s", timeout: "1s" },
    disconnect: { unhealthyAfter: "30s", removeAfter: "2h" },
  },
};

const drill = { ...goodSpecs["Drill"] };
const group = { ...goodSpecs["WorkloadGroup"] };

export const refused: readonly Refused[] = [
  {
    claim: "nobody named in from",
    kind: "AccessPolicy",
    spec: { from: [{}] },
    names: /spec\.from\[0\]/,
  },
  {
    claim: "an identity that says its member twice",
    kind: "AccessPolicy",
    spec: { from: [{ identities: ["spiffe://e.acme.mesh/ns/a/sa/b"], members: ["e"] }] },
    names: /spec\.from\[0\]\.identities: .*leave namespaces and members out/,
  },
  {
    claim: "an identity of another form",
    kind: "AccessPolicy",
    spec: { from: [{ identities: ["frontend"] }] },
    names: /spec\.from\[0\]\.identities\[0\]/,
  },
  {
    claim: "no from",
    kind: "AccessPolicy",
    spec: { services: ["a"] },
    names: /spec\.from: Required/,
  },
  {
    claim: "two things taken out at once",
    kind: "Drill",
    spec: { ...drill, scope: { member: "e", region: "r" } },
    names: /spec\.scope/,
  },
  {
    claim: "steps of a black hole",
    kind: "Drill",
    spec: { ...drill, mode: "blackhole" },
    names: /spec\.steps: only mode drain/,
  },
  {
    claim: "a drill of two days",
    kind: "Drill",
    spec: { ...drill, duration: "48h" },
    names: /spec\.duration: it is not between 10s and 24h/,
  },
  {
    claim: "a drill without a duration",
    kind: "Drill",
    spec: { ...drill, duration: undefined },
    names: /spec\.duration: Required/,
  },
  {
    claim: "a drill without guardrails",
    kind: "Drill",
    spec: { ...drill, guardrails: {} },
    names: /spec\.guardrails\.minSuccessPercent: Required/,
  },
  {
    claim: "a scope that there is not",
    kind: "DrillPolicy",
    spec: { scopes: ["planet"] },
    names: /spec\.scopes\[0\]/,
  },
  {
    claim: "drills for ever",
    kind: "DrillPolicy",
    spec: { scopes: [], maxDuration: "999h" },
    names: /spec\.maxDuration: it is not between/,
  },
  {
    claim: "a failover that changes nothing",
    kind: "FailoverPolicy",
    spec: { services: ["cart"] },
    names: /spec: it changes nothing/,
  },
  {
    claim: "a region twice",
    kind: "FailoverPolicy",
    spec: { regions: ["a", "b", "a"] },
    names: /spec\.regions: a region stands in it twice/,
  },
  {
    claim: "less than all of its load",
    kind: "FailoverPolicy",
    spec: { overprovisioningPercent: 99 },
    names: /spec\.overprovisioningPercent/,
  },
  {
    claim: "all namespaces and one more",
    kind: "ImportPolicy",
    spec: { namespaces: ["*", "shop"], members: ["*"] },
    names: /spec\.namespaces: \* stands for all/,
  },
  {
    claim: "a service without its namespace",
    kind: "Scope",
    spec: { services: ["cart"] },
    names: /spec\.services\[0\]/,
  },
  {
    claim: "no way to ask for health",
    kind: "WorkloadGroup",
    spec: { ...group, healthCheck: { period: "5s" } },
    names: /spec\.healthCheck: it has exactly one of http, tcp, grpc and exec/,
  },
  {
    claim: "two ways to ask for health",
    kind: "WorkloadGroup",
    spec: { ...group, healthCheck: { tcp: { port: 1 }, exec: { command: ["true"] } } },
    names: /spec\.healthCheck: it has exactly one of/,
  },
  {
    claim: "a timeout above its period",
    kind: "WorkloadGroup",
    spec: { ...group, healthCheck: { tcp: { port: 1 }, period: "1s", timeout: "2s" } },
    names: /spec\.healthCheck\.timeout: it is longer/,
  },
  {
    claim: "one port twice",
    kind: "WorkloadGroup",
    spec: {
      ...group,
      ports: [
        { name: "a", port: 80 },
        { name: "b", port: 80 },
      ],
    },
    names: /spec\.ports: two of them have one number/,
  },
  {
    claim: "removed before it is unhealthy",
    kind: "WorkloadGroup",
    spec: { ...group, disconnect: { unhealthyAfter: "2h" } },
    names: /spec\.disconnect\.removeAfter: it is not longer/,
  },
  {
    claim: "a duration in words",
    kind: "WorkloadGroup",
    spec: { ...group, disconnect: { unhealthyAfter: "soon" } },
    names: /spec\.disconnect\.unhealthyAfter/,
  },
];
