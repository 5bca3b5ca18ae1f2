import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { relocate } from "../../../src/discovery/sources/manifests/relocate.ts";
import type { FolderReading } from "./support/manifests.ts";
import { readFolder } from "./support/manifests.ts";

const examples = join(import.meta.dirname, "../../../examples");
const members = globSync("{shop,bookinfo}/*/services.yaml", { cwd: examples }).map((path) =>
  path.replace("/services.yaml", ""),
);

function reading(member: string, change = (text: string): string => text): FolderReading {
  const files = globSync(`${member}/*.yaml`, { cwd: examples });
  return readFolder(
    Object.fromEntries(
      files.map((file) => [file, change(readFileSync(join(examples, file), "utf8"))]),
    ),
  );
}

function exportersOf(service: string): string[] {
  return members
    .filter((member) =>
      reading(member).services.some(({ id, exported }) => id === service && exported !== undefined),
    )
    .map((member) => member.split("/")[1] ?? "")
    .sort();
}

for (const member of members) {
  test(`examples/${member} has no findings, and an identity and a probe for every workload`, () => {
    const { services, findings } = reading(member);
    assert.deepEqual(findings, []);
    assert.ok(services.length > 0);
    const bare = services
      .flatMap(({ endpoints }) => endpoints)
      .filter(({ serviceAccount, probe }) => serviceAccount === undefined || probe === undefined);
    assert.deepEqual(bare, []);
  });

  test(`examples/${member} has no findings after it was moved to free ports of this machine`, () => {
    let port = 20_000;
    const ports = new Map<string, number>();
    const moved = reading(member, (text) =>
      relocate(text, (at) => {
        const key = `${at.address}:${at.port}`;
        const free = ports.get(key) ?? port++;
        ports.set(key, free);
        return { address: "127.0.0.1", port: free };
      }),
    );
    assert.deepEqual(moved.findings, []);
    assert.deepEqual(
      moved.services.map(({ id, endpoints }) => [id, endpoints.map(({ workload }) => workload)]),
      reading(member).services.map(({ id, endpoints }) => [
        id,
        endpoints.map(({ workload }) => workload),
      ]),
    );
  });
}

test("the shop exports its cart from all three clouds and its inventory from the data centre alone", () => {
  const clouds = ["aks-westeurope", "eks-us-east-1", "gke-asia-east1"];
  assert.deepEqual(exportersOf("shop/cart"), clouds);
  assert.deepEqual(exportersOf("shop/inventory"), ["onprem"]);
  assert.deepEqual(exportersOf("shop/frontend"), []);
});

test("bookinfo's reviews run in every cloud", () => {
  assert.equal(exportersOf("bookinfo/reviews").length, 3);
});
