import assert from "node:assert/strict";
import { test } from "node:test";
import { readFolder } from "../support/manifests.ts";

interface Mistake {
  readonly yaml: string;
  readonly line: number;
  readonly code?: string;
  /** Words of the remedy or the reason. */
  readonly says: RegExp;
}

const service = (spec: string, metadata = "name: cart"): string =>
  `apiVersion: v1\nkind: Service\nmetadata:\n  ${metadata}\nspec:\n  ${spec}\n`;
const slice = (endpoints: string, rest = ""): string => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: cart-1
  labels:
    kubernetes.io/service-name: cart
addressType: IPv4
ports: [{ name: http, port: 8080 }]
${rest}endpoints:
  ${endpoints}
`;
const annotated = (annotation: string): string =>
  service("ports: [{ port: 80 }]", `name: cart\n  annotations:\n    ${annotation}`);

const mistakes: Readonly<Record<string, Mistake>> = {
  "a document that is no map": { yaml: "- a\n", line: 1, says: /a list where a map belongs/ },
  "an object without kind": {
    yaml: "apiVersion: v1\nmetadata: {}\n",
    line: 1,
    says: /kind.*missing/,
  },
  "a misspelt kind of ours": {
    yaml: "apiVersion: isthmus.dev/v1alpha1\nkind: FailoverPolcy\n",
    line: 2,
    code: "SOURCE_KIND_UNSUPPORTED",
    says: /does not know the kind/,
  },
  "an EndpointSlice of an old version": {
    yaml: "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n",
    line: 2,
    code: "SOURCE_KIND_UNSUPPORTED",
    says: /only discovery\.k8s\.io\/v1/,
  },
  "an Endpoints object": {
    yaml: "apiVersion: v1\nkind: Endpoints\n",
    line: 2,
    code: "SOURCE_KIND_UNSUPPORTED",
    says: /write an EndpointSlice/,
  },
  "a ServiceExport of another API group": {
    yaml: "apiVersion: net.gke.io/v1\nkind: ServiceExport\n",
    line: 2,
    code: "SOURCE_KIND_UNSUPPORTED",
    says: /multicluster\.x-k8s\.io\/v1beta1/,
  },
  "a Service without a name": {
    yaml: service("ports: [{ port: 80 }]", "namespace: shop"),
    line: 3,
    says: /add the object's name/,
  },
  "a name in capitals": {
    yaml: service("ports: [{ port: 80 }]", "name: Cart"),
    line: 4,
    says: /DNS label/,
  },
  "a name that YAML reads as a number": {
    yaml: service("ports: [{ port: 80 }]", "name: 1234"),
    line: 4,
    says: /put it in quotes/,
  },
  "a Service without ports": {
    yaml: service("type: ClusterIP"),
    line: 5,
    says: /name at least one port/,
  },
  "a port in quotes": {
    yaml: service('ports: [{ port: "80" }]'),
    line: 6,
    says: /"80"; write a whole number from 1 to 65535/,
  },
  "a port beyond 65535": {
    yaml: service("ports: [{ port: 65536 }]"),
    line: 6,
    says: /from 1 to 65535/,
  },
  "two ports without names": {
    yaml: service("ports: [{ port: 80 }, { port: 81 }]"),
    line: 6,
    says: /needs a name/,
  },
  "two ports of one name": {
    yaml: service("ports: [{ name: a, port: 80 }, { name: a, port: 81 }]"),
    line: 6,
    says: /two ports have the name "a"/,
  },
  "two ports of one number": {
    yaml: service("ports: [{ name: a, port: 80 }, { name: b, port: 80 }]"),
    line: 6,
    says: /two ports have the port 80\/TCP/,
  },
  "a port named constructor": {
    yaml: service("ports: [{ name: constructor, port: 80 }]"),
    line: 6,
    says: /other than 'constructor'/,
  },
  "an unknown protocol": {
    yaml: service("ports: [{ port: 80, protocol: tcp }]"),
    line: 6,
    says: /TCP or UDP/,
  },
  "an unknown service type": { yaml: service("type: Loadbalancer"), line: 6, says: /LoadBalancer/ },
  "an unknown session affinity": {
    yaml: service("sessionAffinity: client\n  ports: [{ port: 80 }]"),
    line: 6,
    says: /ClientIP or None/,
  },
  "ports that are no list": { yaml: service("ports: 80"), line: 6, says: /a list belongs/ },
  "a slice that names no service": {
    yaml: slice("[]").replace(/ {2}labels:\n.*\n/, ""),
    line: 3,
    says: /kubernetes\.io\/service-name/,
  },
  "an endpoint without an address": {
    yaml: slice("- zone: a"),
    line: 10,
    says: /addresses: it is missing/,
  },
  "an address that is none": {
    yaml: slice("- addresses: [10.0.0.256]"),
    line: 10,
    says: /no IPv4 address/,
  },
  "an address of the other family": {
    yaml: slice('- addresses: ["fd00::1"]'),
    line: 10,
    says: /no IPv4 address/,
  },
  "an address that nobody can reach": {
    yaml: slice("- addresses: [0.0.0.0]"),
    line: 10,
    says: /no workload can be reached/,
  },
  "several addresses in one endpoint": {
    yaml: slice("- addresses: [10.0.0.1, 10.0.0.2]"),
    line: 10,
    says: /one endpoint for each workload/,
  },
  "a condition in quotes": {
    yaml: slice('- addresses: [10.0.0.1]\n    conditions: { ready: "true" }'),
    line: 11,
    says: /true or false without quotes/,
  },
  "a misspelt condition": {
    yaml: slice("- addresses: [10.0.0.1]\n    conditions: { raedy: true }"),
    line: 11,
    code: "SOURCE_FIELD_UNKNOWN",
    says: /ready, serving, terminating/,
  },
  "a misspelt field of an endpoint": {
    yaml: slice("- addresses: [10.0.0.1]\n    zome: a"),
    line: 11,
    code: "SOURCE_FIELD_UNKNOWN",
    says: /zome/,
  },
  "an address type without endpoints": {
    yaml: slice("[]").replace("IPv4", "FQDN"),
    line: 7,
    says: /IPv4 or IPv6/,
  },
  "a probe without a port": {
    yaml: annotated("isthmus.dev/probe: http:/healthz"),
    line: 6,
    says: /http:<port>\/<path> or tcp:<port>/,
  },
  "a probe with a blank in its path": {
    yaml: annotated('isthmus.dev/probe: "http:80/a b"'),
    line: 6,
    says: /http:<port>/,
  },
  "a service account that is none": {
    yaml: annotated("isthmus.dev/service-account: a/b"),
    line: 6,
    says: /name of a service account/,
  },
  "a misspelt annotation": {
    yaml: annotated("isthmus.dev/service-acount: a"),
    line: 6,
    code: "SOURCE_FIELD_UNKNOWN",
    says: /isthmus\.dev\/service-account/,
  },
  "a creation time in words": {
    yaml: service("ports: [{ port: 80 }]", "name: cart\n  creationTimestamp: yesterday"),
    line: 5,
    says: /2026-01-31T12:00:00Z/,
  },
  "a creation time that no calendar has": {
    yaml: service("ports: [{ port: 80 }]", "name: cart\n  creationTimestamp: 2026-13-01T00:00:00Z"),
    line: 5,
    says: /no date of the calendar/,
  },
  "an unknown field of an export": {
    yaml: "apiVersion: multicluster.x-k8s.io/v1beta1\nkind: ServiceExport\nmetadata: { name: cart }\nspec:\n  exportedLables: {}\n",
    line: 5,
    code: "SOURCE_FIELD_UNKNOWN",
    says: /exportedLabels/,
  },
};

for (const [what, { yaml, line, code, says }] of Object.entries(mistakes)) {
  test(`readObject() reports ${what}, where it is and what to write`, () => {
    const { findings } = readFolder({ "a.yaml": yaml });
    const [finding] = findings;
    assert.equal(finding?.code, code ?? "SOURCE_OBJECT_INVALID");
    assert.equal(finding.subject, `a.yaml:${line}`);
    assert.match(finding.message, says);
  });
}

test("readObject() reports all mistakes of an object at once", () => {
  const yaml = service('ports: [{ name: A, port: 0, protocol: x }]\n  type: "?"');
  const { findings } = readFolder({ "a.yaml": yaml });
  assert.equal(findings.length, 4);
});

test("readObject() reports at most 20 mistakes of a document and how many more there are", () => {
  const yaml = slice(`[${"{ zone: a }, ".repeat(100)}]`);
  const { findings } = readFolder({ "a.yaml": yaml });
  assert.equal(findings.length, 21);
  assert.match(findings.at(-1)?.message ?? "", /^80 more/);
});

test("readObject() leaves kinds of others alone, whatever is in them", () => {
  const { services, findings } = readFolder({
    "a.yaml": "apiVersion: apps/v1\nkind: Deployment\nspec: [not, judged\n",
    "b.yaml": "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: x }\n",
    "c.yaml": "kind: ServiceImport\napiVersion: multicluster.x-k8s.io/v1beta1\nspec: {}\n",
  });
  assert.deepEqual({ services, findings }, { services: [], findings: [] });
});

test("readObject() takes null for an absent field, as Kubernetes prints it", () => {
  const yaml = service(
    "ports: [{ port: 80, name: null }]\n  sessionAffinity: null",
    "name: cart\n  creationTimestamp: null\n  annotations: null",
  );
  const { services, findings } = readFolder({ "a.yaml": yaml });
  assert.deepEqual(findings, []);
  assert.equal(services[0]?.id, "default/cart");
});

test("readObject() leaves out an SCTP port and says so", () => {
  const { services, findings } = readFolder({
    "a.yaml": service("ports: [{ name: a, port: 80 }, { name: b, port: 81, protocol: SCTP }]"),
  });
  assert.deepEqual(
    services[0]?.ports.map(({ name }) => name),
    ["a"],
  );
  assert.deepEqual(
    findings.map(({ code, severity }) => ({ code, severity })),
    [{ code: "SOURCE_PORT_UNSUPPORTED", severity: "warning" }],
  );
});

test("readObject() reads where a Service is dialled, in one spelling for each address", () => {
  const ipsOf = (spec: string): readonly string[] | undefined =>
    readFolder({ "a.yaml": service(`ports: [{ port: 80 }]\n  ${spec}`) }).services[0]?.clusterIps;
  assert.deepEqual(ipsOf("clusterIP: 10.96.0.1"), ["10.96.0.1"]);
  assert.deepEqual(ipsOf('clusterIP: 10.96.0.1\n  clusterIPs: [10.96.0.1, "fd00:0::1"]'), [
    "10.96.0.1",
    "fd00::1",
  ]);
  assert.equal(ipsOf("clusterIP: None"), undefined);
  assert.equal(ipsOf('clusterIP: ""'), undefined);
});

test("readObject() refuses a cluster IP that is none", () => {
  const { findings } = readFolder({
    "a.yaml": service("ports: [{ port: 80 }]\n  clusterIP: cart"),
  });
  assert.deepEqual(
    findings.map(({ code }) => code),
    ["SOURCE_OBJECT_INVALID"],
  );
});

test("readObject() exports the labels and annotations that Kubernetes takes and names the others", () => {
  const yaml = `${service("ports: [{ port: 80 }]")}---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: cart, creationTimestamp: "2026-01-01T00:00:00Z" }
spec:
  exportedLabels: { tier: front, "not a label": x }
  exportedAnnotations: { example.com/note: "two words" }
`;
  const { services, findings } = readFolder({ "a.yaml": yaml });
  assert.deepEqual(services[0]?.exported, {
    createdAtMs: Date.parse("2026-01-01T00:00:00Z"),
    labels: { tier: "front" },
    annotations: { "example.com/note": "two words" },
  });
  assert.deepEqual(
    findings.map(({ code, severity }) => ({ code, severity })),
    [{ code: "SOURCE_EXPORT_METADATA_DROPPED", severity: "warning" }],
  );
});

test("readObject() reads how callers are to be spread", () => {
  const yaml = service(
    "ports: [{ port: 80 }]\n  sessionAffinity: ClientIP\n" +
      "  sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } }\n" +
      "  internalTrafficPolicy: Local\n  trafficDistribution: PreferClose",
  );
  const { services, findings } = readFolder({ "a.yaml": yaml });
  assert.deepEqual(findings, []);
  const { sessionAffinity, sessionAffinityTimeoutSeconds } = services[0] ?? {};
  const { internalTrafficPolicy, trafficDistribution } = services[0] ?? {};
  assert.deepEqual(
    { sessionAffinity, sessionAffinityTimeoutSeconds, internalTrafficPolicy, trafficDistribution },
    {
      sessionAffinity: "ClientIP",
      sessionAffinityTimeoutSeconds: 60,
      internalTrafficPolicy: "Local",
      trafficDistribution: "PreferClose",
    },
  );
});
