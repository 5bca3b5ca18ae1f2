import assert from "node:assert/strict";
import fc from "fast-check";
import { isIp } from "../../../../src/mesh/address.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";
import type { LocalService } from "../../../../src/mesh/service.ts";

export const service: Readonly<Record<string, unknown>> = {
  apiVersion: "v1",
  kind: "Service",
  metadata: {
    name: "cart",
    namespace: "shop",
    annotations: {
      "isthmus.dev/service-account": "cart",
      "isthmus.dev/probe": "http:8080/healthz",
    },
    creationTimestamp: "2026-01-31T12:00:00Z",
  },
  spec: {
    type: "ClusterIP",
    clusterIP: "None",
    ipFamilies: ["IPv4", "IPv6"],
    sessionAffinity: "ClientIP",
    ports: [
      { name: "http", port: 80, protocol: "TCP", appProtocol: "http", targetPort: "web" },
      { name: "dns", port: 53, protocol: "UDP" },
    ],
  },
};
export const slice: Readonly<Record<string, unknown>> = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name: "cart-1", namespace: "shop", labels: { "kubernetes.io/service-name": "cart" } },
  addressType: "IPv4",
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  endpoints: [
    {
      addresses: ["10.0.0.1"],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { kind: "Pod", name: "cart-1" },
      zone: "a",
    },
    { addresses: ["10.0.0.2"], hostname: "cart-2" },
  ],
};
export const exported: Readonly<Record<string, unknown>> = {
  apiVersion: "multicluster.x-k8s.io/v1beta1",
  kind: "ServiceExport",
  metadata: { name: "cart", namespace: "shop" },
  spec: { exportedLabels: { a: "b" } },
};
const list = { apiVersion: "v1", kind: "List", items: [service, slice] };

// What stands in place of some value of a sound object: mostly what belongs elsewhere.
const words = [
  "cart",
  "Cart",
  "",
  "a".repeat(300),
  "__proto__",
  "constructor",
  "List",
  "EndpointSlice",
];
const settings = ["10.0.0.3", "0.0.0.0", "fd00::1", "ExternalName", "IPv6", "FQDN", "UDP", "SCTP"];
const texts = [
  "tcp:1",
  "http:1/ a",
  "x\ny",
  "\u0000",
  "\u2028",
  "\u009b31m",
  "é",
  "x".repeat(5_000),
];
const numbers = [0, -1, 1.5, 80, 8080, 65_536, Number.MAX_SAFE_INTEGER, Number.NaN];
const shapes = [true, false, null, [], {}, { "\u001b[31m": 1 }, [[[]]]];
const other = fc.oneof(
  fc.constantFrom<unknown>(...words, ...settings, ...texts, ...numbers, ...shapes),
  fc.anything({ maxDepth: 2, maxKeys: 4 }),
);
export const edit: fc.Arbitrary<Edit> = fc.record({
  steps: fc.array(fc.nat(7), { minLength: 1, maxLength: 7 }),
  other,
});
export interface Edit {
  readonly steps: readonly number[];
  readonly other: unknown;
}

/** A copy with one value replaced: the one that the steps lead to. */
export function edited(value: unknown, { steps, other: replacement }: Edit): unknown {
  const [step, ...rest] = steps;
  if (step === undefined || typeof value !== "object" || value === null) return replacement;
  const entries = Object.entries(value);
  const index = step % (entries.length + 1);
  // One past the end adds a key.
  const next = entries.map(
    ([key, child], at) =>
      [key, at === index ? edited(child, { steps: rest, other: replacement }) : child] as const,
  );
  if (Array.isArray(value)) return next.map(([, child]) => child);
  const added = typeof replacement === "string" ? replacement.slice(0, 40) : "extra";
  return Object.fromEntries(index < entries.length ? next : [...next, [added, replacement]]);
}

export const object: fc.Arbitrary<unknown> = fc
  .tuple(fc.constantFrom<unknown>(service, slice, exported, list), fc.array(edit, { maxLength: 2 }))
  .map(([sound, edits]) => edits.reduce(edited, sound));
/** Everything later code relies on without looking again. */
export function assertSound({ id, ports, endpoints, exported: offer }: LocalService): void {
  assert.equal(parseServiceId(id), id);
  const names = ports.map((each) => each.name);
  assert.equal(new Set(names).size, names.length);
  for (const { port } of ports) assert.ok(isPort(port));
  for (const { address, workload, ports: targets } of endpoints) {
    assert.ok(isIp(address), address);
    assert.ok(workload !== "" && workload.length <= 253);
    for (const [name, target] of Object.entries(targets)) {
      assert.ok(names.includes(name) && isPort(target));
    }
  }
  if (offer !== undefined) assert.ok(Number.isFinite(offer.createdAtMs));
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value < 65_536;
}
