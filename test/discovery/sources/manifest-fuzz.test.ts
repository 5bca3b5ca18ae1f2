import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { sourceFindingCodes } from "../../../src/discovery/sources/source-finding.ts";
import { isIp } from "../../../src/mesh/address.ts";
import { parseServiceId } from "../../../src/mesh/ids.ts";
import type { LocalService } from "../../../src/mesh/service.ts";
import { fuzzRuns } from "./support/fuzz.ts";
import { readFolder } from "./support/manifests.ts";

const service = {
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
const slice = {
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
const exported = {
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
const edit = fc.record({ steps: fc.array(fc.nat(7), { minLength: 1, maxLength: 7 }), other });
type Edit = { readonly steps: readonly number[]; readonly other: unknown };

/** A copy with one value replaced: the one that the steps lead to. */
function edited(value: unknown, { steps, other: replacement }: Edit): unknown {
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
  return Object.fromEntries(
    index < entries.length ? next : [...next, [String(replacement).slice(0, 40), replacement]],
  );
}

const object = fc
  .tuple(fc.constantFrom<unknown>(service, slice, exported, list), fc.array(edit, { maxLength: 2 }))
  .map(([sound, edits]) => edits.reduce(edited, sound));
const file = fc
  .array(object, { maxLength: 4 })
  .map((objects) => objects.map((each) => print(each)).join("---\n"));

/** Everything later code relies on without looking again. */
function assertSound({ id, ports, endpoints, exported: offer }: LocalService): void {
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

function assertBounded(files: Readonly<Record<string, string>>): number {
  const { services, findings } = readFolder(files);
  for (const each of services) assertSound(each);
  for (const { code, subject, message } of findings) {
    assert.ok(sourceFindingCodes.includes(code));
    assert.match(subject, /^[ab]\.yaml:[1-9]\d*$/);
    assert.ok(message.length < 1_000 && !/\p{Cc}/u.test(message), message);
  }
  return services.length;
}

test("readManifest() makes sound services and readable findings of any objects", () => {
  let services = 0;
  fc.assert(
    fc.property(file, file, (a, b) => {
      services += assertBounded({ "a.yaml": a, "b.yaml": b });
    }),
    { numRuns: fuzzRuns(300) },
  );
  assert.ok(services > 0, "no generated object was sound, so nothing was checked");
});

test("readManifest() makes sound services and readable findings of any text", () => {
  const sound = [service, slice, exported].map(print).join("---\n");
  const cut = fc.tuple(
    fc.nat(sound.length),
    fc.nat(4),
    fc.string({ maxLength: 4, unit: "binary" }),
  );
  fc.assert(
    fc.property(fc.array(cut, { maxLength: 4 }), (cuts) => {
      let text = sound;
      for (const [at, count, inserted] of cuts) {
        text = text.slice(0, at) + inserted + text.slice(at + count);
      }
      assertBounded({ "a.yaml": text });
    }),
    { numRuns: fuzzRuns(300) },
  );
});

function print(value: unknown): string {
  try {
    return stringify(value, { aliasDuplicateObjects: false });
  } catch {
    // Symbols, functions and the like have no YAML.
    return "x: 1\n";
  }
}
