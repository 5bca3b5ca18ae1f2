import { rename } from "node:fs/promises";
import { join } from "node:path";
import { MeshError } from "../../mesh/errors.ts";
import { syncDir } from "../../mesh/io/replace-file.ts";
import type { Secret } from "../../mesh/secret.ts";
import { type Certificate, parseCertificate } from "../certificate.ts";
import type { Issuer } from "../issue.ts";
import { fromPem, toPem } from "../pem.ts";
import { fileSigner } from "./file-signer.ts";
import { parseOf, readText, saveFile } from "./safe-files.ts";

const chainFile = "member.pem";
const keyFile = "member.key";
// The key of the issuer that `member.pem` names, as long as it has not taken `member.key`'s place.
const nextKeyFile = "member.next.key";
// As many as a peer's verifier climbs.
const maxCertificates = 6;

/**
 * Loads `member.pem` and the key that fits it: `member.key`, or `member.next.key` where a replacement was cut
 * short. Throws MESH_FILE_UNREADABLE, MESH_TRUST_KEY_FILE_UNSAFE, MESH_TRUST_IDENTITY_REFUSED and
 * MESH_TRUST_DER_INVALID.
 */
export async function loadIssuer(dir: string): Promise<Issuer> {
  return (await findIssuer(dir)).issuer;
}

/**
 * Puts one issuer in place of another. A crash at any instant leaves a pair that `loadIssuer` finds: the new key
 * first, then the certificates, which is the step that counts, then the key's old name. Rejects as the file system
 * does and as `loadIssuer`.
 */
export async function saveIssuer(
  dir: string,
  next: {
    /** The issuer first. */
    readonly chain: readonly Certificate[];
    /** Absent: the key stays the same. */
    readonly keyPem?: Secret;
  },
): Promise<void> {
  // The one key in use must not be written over.
  if ((await findIssuer(dir)).key === nextKeyFile) await settleKey(dir);
  if (next.keyPem !== undefined) await saveFile(join(dir, nextKeyFile), next.keyPem);
  const pem = next.chain.map((one) => toPem("CERTIFICATE", one.der)).join("");
  await saveFile(join(dir, chainFile), pem);
  if (next.keyPem !== undefined) await settleKey(dir);
}

async function findIssuer(
  dir: string,
): Promise<{ readonly issuer: Issuer; readonly key: typeof keyFile | typeof nextKeyFile }> {
  const [certificate, ...above] = await readChain(join(dir, chainFile));
  const signer = await fileSigner(join(dir, keyFile));
  if (certificate.spkiSha256 === signer.keyId) {
    return { issuer: { certificate, above, signer }, key: keyFile };
  }
  const next = await fileSigner(join(dir, nextKeyFile)).catch(() => undefined);
  if (next?.keyId === certificate.spkiSha256) {
    return { issuer: { certificate, above, signer: next }, key: nextKeyFile };
  }
  throw new MeshError(
    "MESH_TRUST_IDENTITY_REFUSED",
    `Cannot use "${dir}": ${keyFile} is not the key of ${chainFile}`,
  );
}

async function settleKey(dir: string): Promise<void> {
  await rename(join(dir, nextKeyFile), join(dir, keyFile));
  await syncDir(dir);
}

/** Never empty. Throws as `loadIssuer`. */
export async function readChain(
  path: string,
): Promise<readonly [Certificate, ...(readonly Certificate[])]> {
  const text = await readText(path);
  const chain = parseOf(path, () => fromPem("CERTIFICATE", text).map(parseCertificate));
  const [first, ...more] = chain;
  if (first !== undefined && more.length < maxCertificates) return [first, ...more];
  const truth = `it holds ${chain.length} certificates, where 1 to ${maxCertificates} are read`;
  throw new MeshError("MESH_TRUST_IDENTITY_REFUSED", `Cannot use "${path}": ${truth}`);
}
