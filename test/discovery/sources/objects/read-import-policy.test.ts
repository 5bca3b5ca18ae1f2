import assert from "node:assert/strict";
import { test } from "node:test";
import { createInventory } from "../../../../src/discovery/sources/inventory/inventory.ts";
import { createClusterInventory } from "../../../../src/discovery/sources/kubernetes/cluster-inventory.ts";
import { readManifest } from "../../../../src/discovery/sources/manifests/manifest.ts";

interface Parts {
  readonly metadata?: object;
  readonly spec?: unknown;
}

function objectOf(parts: Parts = {}): object {
  return {
    apiVersion: "isthmus.dev/v1alpha1",
    kind: "ImportPolicy",
    metadata: parts.metadata ?? { name: "shop", generation: 3 },
    ...("spec" in parts
      ? { spec: parts.spec }
      : { spec: { namespaces: ["shop"], members: ["east"] } }),
  };
}

function read(
  file: string,
  text: string,
  previous?: ReturnType<typeof readManifest>,
): ReturnType<typeof readManifest> {
  return readManifest({ file, text, modifiedMs: 1 }, previous);
}

const good = JSON.stringify(objectOf());
const shop = { name: "shop", generation: 3, namespaces: ["shop"], members: ["east"] };

test("an ImportPolicy of a file is read, and told once", () => {
  const inventory = createInventory();
  inventory.put(read("a.yaml", good));
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: [], policies: [shop] });
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: [] });
  assert.deepEqual(inventory.findings(), []);
  inventory.remove("a.yaml");
  assert.deepEqual(inventory.takeChange().policies, []);
});

const long = "a".repeat(64);
const wrong: readonly (readonly [claim: string, parts: Parts, paths: readonly string[]])[] = [
  ["no spec", { spec: undefined }, ["spec"]],
  ["an empty spec", { spec: {} }, ["spec.namespaces", "spec.members"]],
  ["a spec that is a list", { spec: [] }, ["spec"]],
  [
    "text where lists belong",
    { spec: { namespaces: "shop", members: "*" } },
    ["spec.namespaces", "spec.members"],
  ],
  ["no namespace", { spec: { namespaces: [], members: [] } }, ["spec.namespaces"]],
  [
    "names that are none",
    { spec: { namespaces: ["Shop", long], members: [7, null, "-"] } },
    [
      "spec.namespaces[0]",
      "spec.namespaces[1]",
      "spec.members[0]",
      "spec.members[1]",
      "spec.members[2]",
    ],
  ],
  [
    "a star among others",
    { spec: { namespaces: ["*", "shop"], members: ["east", "*"] } },
    ["spec.namespaces", "spec.members"],
  ],
  [
    "a name twice",
    { spec: { namespaces: ["shop"], members: ["east", "east"] } },
    ["spec.members[1]"],
  ],
  [
    "too many names",
    {
      spec: {
        namespaces: ["shop"],
        members: Array.from({ length: 257 }, (_, index) => `m${index}`),
      },
    },
    ["spec.members"],
  ],
  [
    "a namespace of its own",
    { metadata: { name: "shop", namespace: "shop" } },
    ["metadata.namespace"],
  ],
  [
    "a generation that is none",
    { metadata: { name: "shop", generation: -1 } },
    ["metadata.generation"],
  ],
];

for (const [claim, parts, paths] of wrong) {
  test(`an ImportPolicy with ${claim} names each mistake and keeps its last good content`, () => {
    const before = read("a.yaml", good);
    const next = read("a.yaml", JSON.stringify(objectOf(parts)), before);
    const named = next.findings.map(({ message }) => /^Cannot use (\S+): /.exec(message)?.[1]);
    for (const path of paths) assert.ok(named.includes(path), `${path} is not in ${named.join()}`);
    assert.equal(
      next.findings.every(({ code }) => code === "SOURCE_OBJECT_INVALID"),
      true,
    );
    assert.equal(next.objects.get("ImportPolicy/shop"), before.objects.get("ImportPolicy/shop"));
  });
}

test("a field that nobody reads is named, and the policy counts", () => {
  const spec = { namespaces: ["shop"], members: ["east"], maxShare: 30 };
  const { findings, objects } = read("a.yaml", JSON.stringify(objectOf({ spec })));
  assert.deepEqual(
    findings.map(({ code }) => code),
    ["SOURCE_FIELD_UNKNOWN"],
  );
  assert.equal(objects.size, 1);
});

test("of two files with one policy the first by name is used", () => {
  const inventory = createInventory();
  const other = JSON.stringify(objectOf({ spec: { namespaces: ["shop"], members: [] } }));
  inventory.put(read("b.yaml", other));
  inventory.put(read("a.yaml", good));
  assert.deepEqual(inventory.takeChange().policies, [shop]);
  assert.deepEqual(
    inventory.findings().map(({ code, subject }) => [code, subject]),
    [["SOURCE_OBJECT_DUPLICATE", "b.yaml:1"]],
  );
});

test("another version of the API is refused with the one to write", () => {
  const text = JSON.stringify({ ...objectOf(), apiVersion: "isthmus.dev/v1" });
  const [found] = read("a.yaml", text).findings;
  assert.equal(found?.code, "SOURCE_KIND_UNSUPPORTED");
  assert.match(found?.message ?? "", /isthmus\.dev\/v1alpha1/);
});

test("an ImportPolicy of an API server keeps its last good content, until it is deleted", () => {
  const inventory = createClusterInventory();
  const put = (object: object): void =>
    inventory.take("ImportPolicy", { puts: [{ key: "shop", object }], removed: [] });
  put(objectOf());
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: [], policies: [shop] });
  put(objectOf({ spec: { namespaces: ["shop"], members: ["East"] } }));
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: [] });
  const [found] = inventory.findings();
  assert.equal(found?.subject, "ImportPolicy/shop");
  assert.match(found?.message ?? "", /spec\.members\[0\].*last good content stays in use/);
  inventory.take("ImportPolicy", { puts: [], removed: ["shop"] });
  assert.deepEqual(inventory.takeChange().policies, []);
  assert.deepEqual(inventory.findings(), []);
});
