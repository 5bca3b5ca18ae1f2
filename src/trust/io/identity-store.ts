import { mkdir, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, MeshError } from "../../mesh/errors.ts";
import { syncDir } from "../../mesh/io/replace-file.ts";
import type { Identity } from "../../mesh/ports.ts";
import {
  currentLink,
  envoyBundleJson,
  envoyIdentityJson,
  identityFolder,
} from "../envoy-identity.ts";
import { identityFrom } from "../identity.ts";
import { parseOf, readKeyFile, readText, saveFile, saveFiles } from "./safe-files.ts";

/**
 * Loads the SVID of a folder: `svid.pem`, `svid.key`, `bundle.pem`, or the set behind
 * `identity/current` when that is younger. A renewal writes the set first and the three files after
 * it, so a crash in between leaves a whole one. Throws MESH_TRUST_IDENTITY_REFUSED,
 * MESH_TRUST_KEY_FILE_UNSAFE and MESH_FILE_UNREADABLE.
 */
export async function loadIdentity(dir: string): Promise<Identity> {
  const set = await realSet(join(dir, identityFolder, currentLink));
  const [own, renewed] = await Promise.allSettled([loadFrom(dir), loadFrom(set)]);
  const found = [own, renewed].flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const [youngest] = found.sort((a, b) => b.notBeforeMs - a.notBeforeMs);
  if (youngest !== undefined) return youngest;
  throw own.status === "rejected" && own.reason instanceof Error
    ? own.reason
    : new MeshError("MESH_TRUST_IDENTITY_REFUSED", `Cannot load identity from "${dir}"`);
}

async function loadFrom(dir: string): Promise<Identity> {
  const keyPem = await readKeyFile(join(dir, "svid.key"));
  const chainPem = await readText(join(dir, "svid.pem"));
  const bundlePem = await readText(join(dir, "bundle.pem"));
  return parseOf(dir, () => identityFrom({ chainPem, keyPem, bundlePem }));
}

/** The one link that is followed is our own, and it leads to a sibling. */
async function realSet(link: string): Promise<string> {
  try {
    const target = await readlink(link);
    return /^v\d+$/.test(target) ? join(link, "..", target) : link;
  } catch {
    return link;
  }
}

/** Replaces the SVID of a folder, for us, for people and for Envoy. */
export async function saveIdentity(dir: string, identity: Identity): Promise<void> {
  await writeEnvoyIdentity(dir, identity);
  await saveFiles(dir, filesOf(identity));
}

/**
 * Maintains `identity/` in Envoy's working directory: a new set of files beside the old one, then one
 * rename of the link, which is what Envoy's watch sees.
 */
async function writeEnvoyIdentity(dir: string, identity: Identity): Promise<void> {
  const folder = join(dir, identityFolder);
  const link = join(folder, currentLink);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const old = (await readdir(folder)).filter((name) => /^v\d+$/.test(name));
  const next = `v${Math.max(0, ...old.map((name) => Number(name.slice(1)))) + 1}`;
  await mkdir(join(folder, next), { mode: 0o700 });
  await saveFiles(join(folder, next), filesOf(identity));
  await saveFile(join(folder, "sds.json"), envoyIdentityJson());
  await saveFile(join(folder, "bundle.json"), envoyBundleJson());
  const staging = join(folder, `.${currentLink}.tmp`);
  const before = await readlink(link).catch(ignoreMissing);
  await rm(staging, { force: true });
  await symlink(next, staging);
  await rename(staging, link);
  await syncDir(folder);
  // The set before this one stays: Envoy may be reading it at this very moment.
  const stale = old.filter((name) => name !== before);
  for (const name of stale) await rm(join(folder, name), { recursive: true, force: true });
}

function ignoreMissing(thrown: unknown): undefined {
  if (codeOf(thrown) !== "ENOENT") throw thrown;
}

// The key first: a certificate without its key is the one pair that nobody can use.
function filesOf(identity: Identity): Parameters<typeof saveFiles>[1] {
  return [
    { name: "svid.key", content: identity.privateKeyPem },
    { name: "svid.pem", content: identity.certChainPem },
    { name: "bundle.pem", content: identity.bundlePem },
  ];
}
