import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import type { FilesSourceOptions } from "../../../../src/discovery/io/sources/files-source.ts";
import { filesSource } from "../../../../src/discovery/io/sources/files-source.ts";
import { documents, serviceYaml, sliceYaml } from "../../sources/support/manifests.ts";
import type { WatchedSource } from "../../sources/support/watched-source.ts";
import { watchSource } from "../../sources/support/watched-source.ts";

const cart = documents(serviceYaml("cart"), sliceYaml("cart", "10.0.0.1"));

async function tempFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "isthmus-files-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function watched(
  t: TestContext,
  folder: string,
  options?: Partial<FilesSourceOptions>,
): Promise<WatchedSource> {
  const source = await watchSource(
    filesSource({ folder, settleMs: 20, pollMs: 3_600_000, ...options }),
  );
  t.after(() => source.close());
  return source;
}

test("start() gives everything the folder and those below hold, and is synced when empty", async (t) => {
  const folder = await tempFolder(t);
  await using empty = await watchSource(filesSource({ folder }));
  assert.deepEqual(empty.changes, [{ upserts: [], removed: [], policies: [], groups: [] }]);
  await mkdir(join(folder, "team-a"));
  await writeFile(join(folder, "team-a", "cart.yaml"), cart);
  await writeFile(join(folder, "catalog.yml"), serviceYaml("catalog"));
  await writeFile(join(folder, "notes.txt"), "not YAML: [");
  await writeFile(join(folder, ".draft.yaml"), "not YAML: [");
  const source = await watched(t, folder);
  assert.equal(source.changes.length, 1);
  assert.deepEqual([...source.services.keys()].sort(), ["shop/cart", "shop/catalog"]);
  assert.deepEqual(source.findings, []);
});

test("start() rejects with MESH_FILE_UNREADABLE when there is no such folder", async (t) => {
  const folder = join(await tempFolder(t), "absent");
  await assert.rejects(watchSource(filesSource({ folder })), { code: "MESH_FILE_UNREADABLE" });
});

test("a saved file changes its services and no other", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), documents(cart, serviceYaml("catalog")));
  const source = await watched(t, folder);
  const draining = cart.replace(
    '"10.0.0.1"]',
    '"10.0.0.1"]\n    conditions: { terminating: true }',
  );
  await writeFile(join(folder, "a.yaml"), documents(draining, serviceYaml("catalog")));
  await source.until(() => source.health("shop/cart") === "draining");
  assert.deepEqual(
    source.changes.slice(1).flatMap(({ upserts }) => upserts.map(({ id }) => id)),
    ["shop/cart"],
  );
});

test("an atomically renamed file is read", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder);
  await writeFile(join(folder, ".a.yaml.tmp"), cart.replace("10.0.0.1", "10.0.0.2"));
  await rename(join(folder, ".a.yaml.tmp"), join(folder, "a.yaml"));
  await source.until(() => source.services.get("shop/cart")?.endpoints[0]?.address === "10.0.0.2");
  assert.deepEqual(source.removed(), []);
});

test("a ConfigMap's switch of its ..data link is read", async (t) => {
  const folder = await tempFolder(t);
  for (const [version, address] of ["10.0.0.1", "10.0.0.2"].entries()) {
    await mkdir(join(folder, `..v${version}`));
    await writeFile(join(folder, `..v${version}`, "a.yaml"), cart.replace("10.0.0.1", address));
  }
  await symlink("..v0", join(folder, "..data"));
  await symlink("..data/a.yaml", join(folder, "a.yaml"));
  const source = await watched(t, folder);
  await symlink("..v1", join(folder, "..data_tmp"));
  await rename(join(folder, "..data_tmp"), join(folder, "..data"));
  await source.until(() => source.services.get("shop/cart")?.endpoints[0]?.address === "10.0.0.2");
  assert.deepEqual(source.removed(), []);
});

test("a folder that is a link is followed to its new target", async (t) => {
  const root = await tempFolder(t);
  for (const [version, name] of ["cart", "catalog"].entries()) {
    await mkdir(join(root, `v${version}`));
    await writeFile(join(root, `v${version}`, "a.yaml"), serviceYaml(name));
  }
  await symlink("v0", join(root, "current"));
  const source = await watched(t, join(root, "current"));
  await symlink("v1", join(root, "next"));
  await rename(join(root, "next"), join(root, "current"));
  await source.until(() => source.services.has("shop/catalog"));
  assert.equal(source.services.has("shop/cart"), false);
  await writeFile(join(root, "v1", "a.yaml"), serviceYaml("catalog", "ports: [{ port: 81 }]"));
  await source.until(() => source.services.get("shop/catalog")?.ports[0]?.port === 81);
});

test("an editor that moves a file away and writes it again removes nothing meanwhile", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  await writeFile(join(folder, "b.yaml"), serviceYaml("catalog"));
  const source = await watched(t, folder, { settleMs: 5_000 });
  await rename(join(folder, "a.yaml"), join(folder, "a.yaml~"));
  // Only when this new file was read has the source surely looked while a.yaml was away.
  await writeFile(join(folder, "c.yaml"), serviceYaml("orders"));
  await source.until(() => source.services.has("shop/orders"));
  await writeFile(join(folder, "a.yaml"), cart.replace("10.0.0.1", "10.0.0.2"));
  await source.until(() => source.services.get("shop/cart")?.endpoints[0]?.address === "10.0.0.2");
  assert.deepEqual(source.removed(), []);
});

test("a save in progress that has only half of the file removes nothing", async (t) => {
  const folder = await tempFolder(t);
  const whole = documents(serviceYaml("cart"), serviceYaml("catalog"));
  await writeFile(join(folder, "a.yaml"), whole);
  const source = await watched(t, folder, { settleMs: 5_000 });
  await writeFile(join(folder, "a.yaml"), serviceYaml("cart"));
  await writeFile(join(folder, "b.yaml"), serviceYaml("orders"));
  await source.until(() => source.services.has("shop/orders"));
  await writeFile(join(folder, "a.yaml"), documents(whole, serviceYaml("stock")));
  await source.until(() => source.services.has("shop/stock"));
  assert.deepEqual(source.removed(), []);
});

test("a deleted file removes its services once it stayed away", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  await writeFile(join(folder, "b.yaml"), serviceYaml("catalog"));
  const source = await watched(t, folder);
  await unlink(join(folder, "a.yaml"));
  await source.until(() => !source.services.has("shop/cart"));
  assert.deepEqual([...source.services.keys()], ["shop/catalog"]);
});

test("a broken save keeps the last good content, is reported with file and line, and is forgotten when mended", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder);
  await writeFile(join(folder, "a.yaml"), `a: [1\n---\n${serviceYaml("catalog")}`);
  await source.until(() => source.findings.length > 0);
  assert.deepEqual(
    source.findings.map(({ code, subject }) => ({ code, subject })),
    [{ code: "SOURCE_YAML_INVALID", subject: `${join(folder, "a.yaml")}:2` }],
  );
  assert.deepEqual([...source.services.keys()].sort(), ["shop/cart", "shop/catalog"]);
  await writeFile(join(folder, "a.yaml"), cart);
  await source.until(() => source.findings.length === 0);
  assert.deepEqual([...source.services.keys()], ["shop/cart"]);
});

test("a file that is no UTF-8 keeps the last good content and is reported", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder);
  await writeFile(join(folder, "a.yaml"), Buffer.from([0x61, 0x3a, 0xff, 0xfe]));
  await source.until(() => source.findings.length > 0);
  assert.equal(source.findings[0]?.code, "SOURCE_FILE_UNREADABLE");
  assert.deepEqual([...source.services.keys()], ["shop/cart"]);
});

test("a file of 9 MiB is refused unread and its last good content stays", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder);
  await writeFile(join(folder, "a.yaml"), "#".repeat(9 * 1024 * 1024));
  await source.until(() => source.findings.some(({ code }) => code === "SOURCE_FILE_TOO_LARGE"));
  assert.deepEqual([...source.services.keys()], ["shop/cart"]);
});

test("a folder that vanishes keeps its content, is reported, and is followed when it is back", async (t) => {
  const root = await tempFolder(t);
  const folder = join(root, "services");
  await mkdir(folder);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder);
  await rename(folder, join(root, "away"));
  await source.until(() => source.findings[0]?.code === "SOURCE_FOLDER_UNREADABLE");
  assert.deepEqual([...source.services.keys()], ["shop/cart"]);
  await mkdir(folder);
  await writeFile(join(folder, "a.yaml"), serviceYaml("catalog"));
  await source.until(() => source.services.has("shop/catalog"));
  await source.until(() => !source.services.has("shop/cart"));
  assert.deepEqual(source.findings, []);
  await writeFile(join(folder, "a.yaml"), serviceYaml("catalog", "ports: [{ port: 81 }]"));
  await source.until(() => source.services.get("shop/catalog")?.ports[0]?.port === 81);
});

test("a folder from which all files vanish at once, as when it is unmounted, keeps its content", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder);
  await unlink(join(folder, "a.yaml"));
  await source.until(() => source.findings.length > 0);
  assert.equal(source.findings[0]?.code, "SOURCE_FOLDER_EMPTY");
  assert.deepEqual([...source.services.keys()], ["shop/cart"]);
  await writeFile(join(folder, "meant.yaml"), "# nothing runs here\n");
  await source.until(() => source.services.size === 0);
});

test("a folder whose file system sends no events is polled", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder, { pollMs: 10, watch: false });
  await writeFile(join(folder, "a.yaml"), cart.replace("10.0.0.1", "10.0.0.2"));
  await source.until(() => source.services.get("shop/cart")?.endpoints[0]?.address === "10.0.0.2");
});

test("a link that leads back into the folder is not followed", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  await symlink(".", join(folder, "again"));
  const source = await watched(t, folder);
  assert.deepEqual(source.findings, []);
  assert.deepEqual([...source.services.keys()], ["shop/cart"]);
});

test("a file that was refused is read once it is mended", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder);
  await writeFile(join(folder, "a.yaml"), Buffer.from([0x61, 0x3a, 0xff, 0xfe]));
  await source.until(() => source.findings.length > 0);
  await writeFile(join(folder, "a.yaml"), cart.replace("10.0.0.1", "10.0.0.2"));
  await source.until(() => source.findings.length === 0);
  await source.until(() => source.services.get("shop/cart")?.endpoints[0]?.address === "10.0.0.2");
});

test("a closed source says nothing more", async (t) => {
  const folder = await tempFolder(t);
  await writeFile(join(folder, "a.yaml"), cart);
  const source = await watched(t, folder);
  await source.close();
  const second = await watched(t, folder);
  await writeFile(join(folder, "b.yaml"), serviceYaml("catalog"));
  await second.until(() => second.services.has("shop/catalog"));
  assert.equal(source.changes.length, 1);
});
