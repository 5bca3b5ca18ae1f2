import assert from "node:assert/strict";
import { test } from "node:test";
import type { Manifest } from "../../../../src/discovery/sources/manifests/manifest.ts";
import {
  mayBeUnfinished,
  readManifest,
} from "../../../../src/discovery/sources/manifests/manifest.ts";
import { documents, exportYaml, serviceYaml, sliceYaml } from "../support/manifests.ts";

function manifest(text: string, previous?: Manifest, modifiedMs = 1_000): Manifest {
  return readManifest({ file: "shop.yaml", text, modifiedMs }, previous);
}

function keys({ objects }: Manifest): string[] {
  return [...objects.keys()];
}

const good = manifest(documents(serviceYaml("cart"), serviceYaml("catalog")));

test("readManifest() keeps an invalid object's last good content and reads the others", () => {
  const next = manifest(
    documents(serviceYaml("cart", 'ports: [{ name: http, port: "80" }]'), serviceYaml("orders")),
    good,
  );
  assert.deepEqual(keys(next).sort(), ["Service/shop/cart", "Service/shop/orders"]);
  assert.equal(next.objects.get("Service/shop/cart")?.object, objectOf(good, "cart"));
  const [finding] = next.findings;
  assert.equal(finding?.code, "SOURCE_OBJECT_INVALID");
  assert.equal(finding.subject, "shop.yaml:5");
  assert.match(finding.message, /spec\.ports\[0\]\.port.*last good content stays in use/);
});

test("readManifest() takes nothing away while a document of the file is no YAML", () => {
  const next = manifest(
    documents("a: [1\n", serviceYaml("catalog", "ports: [{ port: 81 }]")),
    good,
  );
  assert.deepEqual(keys(next).sort(), ["Service/shop/cart", "Service/shop/catalog"]);
  assert.notEqual(next.objects.get("Service/shop/catalog")?.object, objectOf(good, "catalog"));
  assert.deepEqual(
    next.findings.map(({ code, subject }) => ({ code, subject })),
    [{ code: "SOURCE_YAML_INVALID", subject: "shop.yaml:2" }],
  );
});

test("readManifest() remembers the last good content over several broken saves", () => {
  const broken = manifest("a: [1\n", good);
  assert.deepEqual(keys(manifest("b: [1\n", broken)).sort(), keys(good).sort());
});

test("readManifest() forgets an object that was deleted from a sound file", () => {
  assert.deepEqual(keys(manifest(serviceYaml("catalog"), good)), ["Service/shop/catalog"]);
});

test("readManifest() stops after ten broken documents, says so and takes nothing away", () => {
  const next = manifest(
    documents(...Array<string>(20).fill("a: [1\n"), serviceYaml("orders")),
    good,
  );
  assert.equal(next.findings.length, 11);
  assert.match(next.findings.at(-1)?.message ?? "", /rest of the file/);
  assert.deepEqual(keys(next).sort(), keys(good).sort());
});

test("readManifest() says nothing of a last good content that never was", () => {
  const [finding] = manifest("a: [1\n").findings;
  assert.equal(finding?.code, "SOURCE_YAML_INVALID");
  assert.doesNotMatch(finding.message, /last good/);
});

test("readManifest() uses the first of two definitions in a file and names both lines", () => {
  const twice = manifest(
    documents(serviceYaml("cart"), serviceYaml("cart", "ports: [{ port: 81 }]")),
  );
  assert.deepEqual(
    twice.findings.map(({ code, subject }) => ({ code, subject })),
    [{ code: "SOURCE_OBJECT_DUPLICATE", subject: "shop.yaml:7" }],
  );
  assert.match(twice.findings[0]?.message ?? "", /shop\.yaml:1\b/);
});

test("readManifest() reads a document again only when its text changed", () => {
  const next = manifest(documents(serviceYaml("cart"), serviceYaml("orders")), good);
  assert.equal(next.objects.get("Service/shop/cart")?.object, objectOf(good, "cart"));
});

test("readManifest() keeps the time an export was first seen when its file is saved again", () => {
  const first = manifest(exportYaml("cart"), undefined, 1_000);
  const again = manifest(documents("# edited\n", exportYaml("cart")), first, 9_000);
  assert.equal(again.objects.get("ServiceExport/shop/cart")?.firstSeenMs, 1_000);
});

test("readManifest() reads the items of a List", () => {
  const list = `apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Service
    metadata: { name: cart, namespace: shop }
    spec: { ports: [{ port: 80 }] }
  - apiVersion: v1
    kind: Service
    metadata: { name: catalog, namespace: shop }
    spec: { ports: [{ port: 0 }] }
`;
  const read = manifest(list);
  assert.deepEqual(keys(read), ["Service/shop/cart"]);
  assert.equal(read.objects.get("Service/shop/cart")?.origin.line, 4);
  assert.equal(read.findings[0]?.subject, "shop.yaml:11");
});

const longSlice = documents(serviceYaml("cart"), sliceYaml("cart", "10.0.0.1", "10.0.0.2"));
const cases: readonly (readonly [string, string, boolean])[] = [
  ["a file that lost its end within an object", longSlice.slice(0, -20), true],
  ["a file that lost an object", serviceYaml("cart"), true],
  ["a file that was emptied", "", true],
  ["a file with a mistake", `${longSlice}---\na: [1\n`, true],
  ["a file that gained an object", documents(longSlice, serviceYaml("orders")), false],
  [
    "a file that gained an endpoint",
    documents(serviceYaml("cart"), sliceYaml("cart", "10.0.0.1", "10.0.0.2", "10.0.0.3")),
    false,
  ],
  ["an edit of the same length", longSlice.replace("8080", "8081"), false],
];
for (const [what, text, expected] of cases) {
  test(`mayBeUnfinished() is ${expected} for ${what}`, () => {
    const previous = manifest(longSlice);
    assert.equal(mayBeUnfinished(previous, manifest(text, previous)), expected);
  });
}

function objectOf({ objects }: Manifest, name: string): unknown {
  return objects.get(`Service/shop/${name}`)?.object;
}
