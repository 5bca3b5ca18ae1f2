import { rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf, MeshError } from "../../mesh/errors.ts";
import type { MeshDomain } from "../../mesh/ids.ts";
import { syncDir } from "../../mesh/io/replace-file.ts";
import type { Certificate } from "../certificate.ts";
import { createRoot } from "../issue.ts";
import { privateKeyPemOf } from "../keys.ts";
import { toPem } from "../pem.ts";
import type { Signer } from "../signer.ts";
import { signerOf } from "../signer.ts";
import { readChain } from "./issuer-files.ts";
import { newPrivateKey } from "./new-key.ts";
import { openSigner, type SignerPlace } from "./open-signer.ts";
import { openOrMakeTokenKey } from "./pkcs11/pkcs11-signer.ts";
import { nextKeyPlace } from "./root-keys.ts";
import { tokenFileFor } from "./root-place.ts";
import { saveFile, saveFiles } from "./safe-files.ts";

/** The root's folder, and where its key is: a file there unless a token holds it. */
export interface RootPlace {
  readonly dir: string;
  readonly key: SignerPlace;
}

/** The root that comes next, as far as it was prepared. */
export interface NextRoot {
  readonly certificate: Certificate;
  readonly signer: Signer;
}

const certificateFile = "root.pem";
const nextCertificateFile = "root.next.pem";
// What is left of a root that was retired: it says which certificates were of this mesh once.
const retiredFile = "root.retired.pem";

/**
 * Makes the next root, or goes on where that was broken off: the key first, which nobody knows yet, then its
 * certificate. Throws as the signer and the file system do.
 */
export async function prepareNextRoot(
  { dir, key }: RootPlace,
  options: { readonly mesh: MeshDomain; readonly nowMs: number },
): Promise<NextRoot> {
  const place = nextKeyPlace(key);
  const signer = await openOrMake(place);
  const path = join(dir, nextCertificateFile);
  const known = await readChain(path).catch(() => undefined);
  if (known?.[0].spkiSha256 === signer.keyId) return { certificate: known[0], signer };
  const certificate = await createRoot({ signer, ...options });
  await saveFile(path, toPem("CERTIFICATE", certificate.der));
  return { certificate, signer };
}

async function openOrMake(place: SignerPlace): Promise<Signer> {
  if (place.t === "pkcs11") return await openOrMakeTokenKey(place);
  const known = await openSigner(place).catch(ignoreMissing);
  if (known !== undefined) return known;
  const key = newPrivateKey();
  await saveFile(place.file, privateKeyPemOf(key));
  return signerOf(key);
}

/**
 * Brings the folder in step with a charter in which no rotation is under way: a next root that it trusts takes the
 * present one's place, whose key is destroyed; one that it does not know is thrown away. What was broken off is
 * done again by the next call.
 */
export async function settleRoots(
  { dir, key }: RootPlace,
  bundle: { readonly roots: readonly Certificate[] },
): Promise<void> {
  const next = await readChain(join(dir, nextCertificateFile)).catch(() => undefined);
  const isTrusted = bundle.roots.some(({ spkiSha256 }) => spkiSha256 === next?.[0].spkiSha256);
  if (isTrusted) await replaceRoot({ dir, key });
  else await dropNext({ dir, key });
}

/** The certificate last: as long as it lies there, this is not done. */
async function replaceRoot({ dir, key }: RootPlace): Promise<void> {
  if (key.t === "file") {
    // The old key is overwritten by the rename; what a disk keeps of it nobody can say.
    await rename(nextFileOf(key.file), key.file).catch(ignoreMissing);
    await syncDir(dirname(key.file));
  }
  const [next] = await readChain(join(dir, nextCertificateFile));
  if (key.t === "pkcs11") await nameNextKey({ dir, key, next });
  const [old] = await readChain(join(dir, certificateFile));
  if (old.spkiSha256 !== next.spkiSha256) {
    await saveFile(join(dir, retiredFile), toPem("CERTIFICATE", old.der));
  }
  await rename(join(dir, nextCertificateFile), join(dir, certificateFile));
  await syncDir(dir);
}

/** A token keeps both keys; the folder says which one is the root's. The old one is the operator's to destroy. */
async function nameNextKey(at: {
  readonly dir: string;
  readonly key: Extract<SignerPlace, { readonly t: "pkcs11" }>;
  readonly next: Certificate;
}): Promise<void> {
  const { keyId } = await openSigner(at.key);
  // Broken off after this, the folder names it already.
  if (keyId === at.next.spkiSha256) return;
  const place = nextKeyPlace(at.key);
  if (place.t === "pkcs11") await saveFiles(at.dir, [tokenFileFor(at.dir, place)]);
}

async function dropNext({ dir, key }: RootPlace): Promise<void> {
  await rm(join(dir, nextCertificateFile), { force: true });
  if (key.t === "file") await rm(nextFileOf(key.file), { force: true });
}

function nextFileOf(file: string): string {
  return join(dirname(file), `${basename(file, ".key")}.next.key`);
}

/** A key that is there and cannot be used must not be taken for none. */
function ignoreMissing(thrown: unknown): undefined {
  const cause = thrown instanceof MeshError ? thrown.cause : thrown;
  if (codeOf(cause) !== "ENOENT") throw thrown;
}
