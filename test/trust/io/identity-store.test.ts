import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import { chmod, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { MeshError } from "../../../src/mesh/errors.ts";
import type { Identity } from "../../../src/mesh/ports.ts";
import { bundleFrom, homeOf, identityOf } from "../../../src/trust/identity.ts";
import { loadIdentity, saveIdentity } from "../../../src/trust/io/identity-store.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { issueSvid } from "../../../src/trust/issue.ts";
import { spkiOf } from "../../../src/trust/keys.ts";
import { cartId, madeMesh, nowMs, wishedIssuer, wishedLeaf } from "../made.ts";
import { tempFolder } from "./folder.ts";

const made = await madeMesh();
const bundleDer = [made.root.certificate.der];

async function identityAt(atMs: number, key: KeyObject = newPrivateKey()): Promise<Identity> {
  const leaf = await issueSvid({ issuer: made.east, id: cartId, spki: spkiOf(key), nowMs: atMs });
  return identityOf(key, { chainDer: [leaf.der, made.east.certificate.der], bundleDer });
}

const hourMs = 3_600_000;
const first = await identityAt(nowMs + hourMs);
const second = await identityAt(nowMs + 2 * hourMs);

/** Secrets print alike, so they are compared by what they reveal. */
function isSame(found: Identity, wanted: Identity): boolean {
  const { privateKeyPem, ...rest } = found;
  const { privateKeyPem: wantedKey, ...wantedRest } = wanted;
  assert.deepEqual(rest, wantedRest);
  return privateKeyPem.reveal() === wantedKey.reveal();
}

test("saveIdentity() writes what loadIdentity() reads, the key 0600", async () => {
  await using folder = await tempFolder();
  await saveIdentity(folder.path, first);
  assert.ok(isSame(await loadIdentity(folder.path), first));
  for (const key of ["svid.key", "identity/current/svid.key"]) {
    assert.equal((await stat(join(folder.path, key))).mode & 0o777, 0o600);
  }
});

test("loadIdentity() takes the renewed set when a crash left the three files half replaced", async () => {
  await using folder = await tempFolder();
  await saveIdentity(folder.path, first);
  const old = await readFile(join(folder.path, "svid.pem"));
  await saveIdentity(folder.path, second);
  await writeFile(join(folder.path, "svid.pem"), old);
  assert.ok(isSame(await loadIdentity(folder.path), second));
});

test("loadIdentity() takes files that an operator put there later than the last renewal", async () => {
  await using folder = await tempFolder();
  await saveIdentity(folder.path, first);
  await writeFile(join(folder.path, "svid.pem"), second.certChainPem);
  await writeFile(join(folder.path, "svid.key"), second.privateKeyPem.reveal());
  assert.ok(isSame(await loadIdentity(folder.path), second));
});

test("saveIdentity() switches one link and keeps the set before it", async () => {
  await using folder = await tempFolder();
  const identity = join(folder.path, "identity");
  for (const [each, current, sets] of [
    [first, "v1", ["v1"]],
    [second, "v2", ["v1", "v2"]],
    [first, "v3", ["v2", "v3"]],
  ] as const) {
    await saveIdentity(folder.path, each);
    assert.equal(await readlink(join(identity, "current")), current);
    assert.deepEqual((await readdir(identity)).sort(), [
      "bundle.json",
      "current",
      "sds.json",
      ...sets,
    ]);
  }
});

test("saveIdentity() names the files behind the link to Envoy, relative to its folder", async () => {
  await using folder = await tempFolder();
  await saveIdentity(folder.path, first);
  const text = await readFile(join(folder.path, "identity/sds.json"), "utf8");
  const { tls_certificate: files } = (JSON.parse(text) as { resources: [Record<string, unknown>] })
    .resources[0] as {
    tls_certificate: Record<string, Record<string, string>>;
  };
  const chain = files["certificate_chain"]?.["filename"] ?? "";
  assert.equal(await readFile(join(folder.path, chain), "utf8"), first.certChainPem);
  assert.equal(files["watched_directory"]?.["path"], "identity");
});

test("saveIdentity() removes what a process that died in between left", async () => {
  await using folder = await tempFolder();
  await writeFile(join(folder.path, ".svid.key.1.1.tmp"), "half a key");
  await saveIdentity(folder.path, first);
  const names = (await readdir(folder.path)).sort();
  assert.deepEqual(names, ["bundle.pem", "identity", "svid.key", "svid.pem"]);
});

test("loadIdentity() says what is wrong with a folder", async () => {
  await using folder = await tempFolder();
  const at = (name: string): string => join(folder.path, name);
  await assert.rejects(loadIdentity(folder.path), { code: "MESH_FILE_UNREADABLE" });
  await saveIdentity(folder.path, first);
  await rm(at("identity"), { recursive: true });
  await chmod(at("svid.key"), 0o604);
  await assert.rejects(loadIdentity(folder.path), { code: "MESH_TRUST_KEY_FILE_UNSAFE" });
  await chmod(at("svid.key"), 0o600);
  await writeFile(at("svid.key"), second.privateKeyPem.reveal());
  await assert.rejects(loadIdentity(folder.path), (thrown: unknown) => {
    assert.ok(thrown instanceof MeshError && thrown.code === "MESH_TRUST_IDENTITY_REFUSED");
    return thrown.message.startsWith(`Cannot use "${folder.path}": `);
  });
  await writeFile(at("svid.key"), "no key");
  await assert.rejects(loadIdentity(folder.path), { code: "MESH_TRUST_DER_INVALID" });
});

test("identityOf() refuses a chain that its own bundle does not trust", async () => {
  const stranger = await madeMesh();
  const key = newPrivateKey();
  const leaf = await issueSvid({ issuer: stranger.east, id: cartId, spki: spkiOf(key), nowMs });
  const chainDer = [leaf.der, stranger.east.certificate.der];
  assert.throws(() => identityOf(key, { chainDer, bundleDer }), {
    code: "MESH_TRUST_IDENTITY_REFUSED",
  });
});

test("identityOf() refuses a chain whose key is another", async () => {
  const issuer = await wishedIssuer({ issuer: made.root });
  const leaf = await wishedLeaf({ issuer });
  const chainDer = [leaf.der, issuer.certificate.der];
  const build = (): unknown => identityOf(newPrivateKey(), { chainDer, bundleDer });
  assert.throws(build, { code: "MESH_TRUST_IDENTITY_REFUSED" });
});

test("homeOf() tells member and mesh of an identity", () => {
  assert.deepEqual(homeOf(cartId), {
    member: "east",
    mesh: "acme.mesh",
    trustDomain: "east.acme.mesh",
  });
});

test("bundleFrom() reads the bundle again only when it changes", async () => {
  let current = first;
  const bundle = bundleFrom({ current: () => current });
  const before = bundle();
  current = second;
  assert.equal(bundle(), before);
  current = { ...second, bundlePem: (await madeMesh()).bundle.pem };
  assert.notEqual(bundle().digest, before.digest);
});
