import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { createInventory } from "../../../../src/discovery/sources/inventory/inventory.ts";
import { readManifest } from "../../../../src/discovery/sources/manifests/manifest.ts";
import { documents, exportYaml, readFolder, serviceYaml, sliceYaml } from "../support/manifests.ts";

const golden = join(import.meta.dirname, "../golden");
for (const path of globSync(join(golden, "*.yaml")).sort()) {
  const name = basename(path, ".yaml");
  test(`createInventory() makes of golden/${name}.yaml what golden/${name}.json says`, (t) => {
    const reading = readFolder({ [`${name}.yaml`]: readFileSync(path, "utf8") });
    t.assert.fileSnapshot(reading, join(golden, `${name}.json`));
  });
}

function manifest(file: string, text: string): ReturnType<typeof readManifest> {
  return readManifest({ file, text, modifiedMs: 1_000 });
}

const cart = documents(serviceYaml("cart"), sliceYaml("cart", "10.0.0.1"));

test("takeChange() gives everything at first and nothing without a change", () => {
  const inventory = createInventory();
  inventory.put(manifest("a.yaml", cart));
  assert.deepEqual(
    inventory.takeChange().upserts.map(({ id }) => id),
    ["shop/cart"],
  );
  inventory.put(manifest("a.yaml", cart));
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: [] });
});

test("takeChange() gives only the services whose content changed", () => {
  const inventory = createInventory();
  inventory.put(manifest("a.yaml", documents(cart, serviceYaml("catalog"))));
  inventory.takeChange();
  inventory.put(
    manifest(
      "a.yaml",
      documents(`# moves the lines\n${cart}`, serviceYaml("catalog", "ports: [{ port: 81 }]")),
    ),
  );
  assert.deepEqual(
    inventory.takeChange().upserts.map(({ id }) => id),
    ["shop/catalog"],
  );
});

test("takeChange() removes a service with its last definition", () => {
  const inventory = createInventory();
  inventory.put(manifest("a.yaml", cart));
  inventory.takeChange();
  inventory.remove("a.yaml");
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: ["shop/cart"] });
  assert.deepEqual(inventory.findings(), []);
});

test("takeChange() says nothing of a service that came and went between two calls", () => {
  const inventory = createInventory();
  inventory.put(manifest("a.yaml", cart));
  inventory.remove("a.yaml");
  assert.deepEqual(inventory.takeChange(), { upserts: [], removed: [] });
});

test("takeChange() joins the parts of a service from several files, whatever their order", () => {
  const files = {
    "service.yaml": serviceYaml("cart"),
    "a.yaml": sliceYaml("cart", "10.0.0.1"),
    "b.yaml": sliceYaml("cart", "10.0.0.2").replace("cart-1", "cart-2"),
    "export.yaml": exportYaml("cart"),
  };
  const forward = readFolder(files);
  const backward = readFolder(Object.fromEntries(Object.entries(files).reverse()));
  assert.deepEqual(forward.services, backward.services);
  assert.deepEqual(
    forward.services[0]?.endpoints.map(({ address }) => address),
    ["10.0.0.1", "10.0.0.2"],
  );
  assert.deepEqual(forward.services[0]?.exported, { createdAtMs: 1_000 });
});

test("takeChange() uses the first file's definition of two and the other when the first is deleted", () => {
  const inventory = createInventory();
  inventory.put(manifest("b.yaml", serviceYaml("cart", "ports: [{ port: 82 }]")));
  inventory.put(manifest("a.yaml", serviceYaml("cart", "ports: [{ port: 81 }]")));
  assert.equal(inventory.takeChange().upserts[0]?.ports[0]?.port, 81);
  const [finding] = inventory.findings();
  assert.equal(finding?.code, "SOURCE_OBJECT_DUPLICATE");
  assert.equal(finding.subject, "b.yaml:1");
  assert.match(finding.message, /a\.yaml:1/);
  inventory.remove("a.yaml");
  assert.equal(inventory.takeChange().upserts[0]?.ports[0]?.port, 82);
  assert.deepEqual(inventory.findings(), []);
});
