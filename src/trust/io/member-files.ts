import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MeshError } from "../../mesh/errors.ts";
import type { MemberName, MeshDomain, TrustDomain } from "../../mesh/ids.ts";
import { memberOfTrustDomain } from "../../mesh/ids.ts";
import type { Bundle } from "../bundle.ts";
import { bundleOf, parseBundle } from "../bundle.ts";
import type { Certificate } from "../certificate.ts";
import type { TrustedCharter } from "../charter.ts";
import { verifyCharter } from "../charter.ts";
import { parseCharter } from "../charter-codec.ts";
import { formatCharterFile, parseCharterFile } from "../charter-file.ts";
import type { Authority, Issuer } from "../issue.ts";
import { issuerTrustDomain } from "../root-guard.ts";
import { loadIssuer, readChain } from "./issuer-files.ts";
import { openSigner } from "./open-signer.ts";
import { rootPlaceIn } from "./root-place.ts";
import type { FileContent } from "./safe-files.ts";
import { parseOf, readText, saveFiles } from "./safe-files.ts";

/** The folder `trust init` made: `root.pem`, `root.key` or `root.token.json`, `bundle.pem`, `charter.json`. */
export interface RootFiles {
  readonly root: Authority;
  /** The charter's. `bundle.pem` is what the charter itself is checked with. */
  readonly bundle: Bundle;
  readonly charter: TrustedCharter;
}

/** The folder `trust issue member` made: `member.pem`, `member.key`, `bundle.pem`, `charter.json`. */
export interface MemberFiles {
  readonly issuer: Issuer;
  readonly bundle: Bundle;
  readonly charter: TrustedCharter;
  readonly mesh: MeshDomain;
  readonly member: MemberName;
  readonly trustDomain: TrustDomain;
}

/** Throws MESH_FILE_UNREADABLE, MESH_TRUST_KEY_FILE_UNSAFE, MESH_TRUST_IDENTITY_REFUSED and what its parts throw. */
export async function loadRoot(dir: string): Promise<RootFiles> {
  const root = await loadRootAuthority(dir);
  const { bundle, charter } = await loadCharter(dir);
  return { root, bundle, charter };
}

/** Throws as `loadRoot`. The issuer's time is not judged: whoever issues with it does. */
export async function loadMember(dir: string): Promise<MemberFiles> {
  const issuer = await loadIssuer(dir);
  const { bundle, charter } = await loadCharter(dir);
  const { mesh } = charter.charter;
  const trustDomain = issuerTrustDomain(issuer.certificate);
  const member = trustDomain === undefined ? undefined : memberOfTrustDomain(trustDomain, mesh);
  if (trustDomain === undefined || member === undefined) {
    return refuse(dir, `its issuer is not bound to one member of ${mesh}`);
  }
  return { issuer, bundle, charter, mesh, member, trustDomain };
}

async function loadRootAuthority(dir: string): Promise<Authority> {
  const signer = await openSigner(await rootPlaceIn(dir));
  const [certificate] = await readChain(join(dir, "root.pem"));
  if (certificate.spkiSha256 === signer.keyId) return { certificate, signer };
  return refuse(dir, "its root key is not the key of root.pem");
}

/**
 * A folder's charter, or that of a file beside its `bundle.pem`: for who only looks, without keys.
 * Throws MESH_FILE_UNREADABLE and MESH_TRUST_CHARTER_REFUSED.
 */
export async function loadCharterOf(path: string): Promise<TrustedCharter> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => true,
  );
  const { charter } = isFolder ? await loadCharter(path) : await loadCharter(dirname(path), path);
  return charter;
}

async function loadCharter(
  dir: string,
  charterPath: string = join(dir, "charter.json"),
): Promise<Pick<RootFiles, "bundle" | "charter">> {
  const bundlePath = join(dir, "bundle.pem");
  const bundlePem = await readText(bundlePath);
  const text = await readText(charterPath);
  const bundle = parseOf(bundlePath, () => parseBundle(bundlePem));
  const charter = parseOf(charterPath, () => {
    const signed = parseCharterFile(text);
    // Which mesh this is nobody else knows here; the signature says that the root agrees.
    const { mesh } = parseCharter(signed.bytes);
    return verifyCharter(signed, { mesh, bundle });
  });
  return { bundle: charter.bundle, charter };
}

const saving = new Map<string, Promise<void>>();

/**
 * Keeps the newest charter beside the keys, for the next start without a hub. Calls for one folder
 * run one after the other, so that the last one stays.
 */
export async function saveCharter(dir: string, charter: TrustedCharter): Promise<void> {
  const before = saving.get(dir) ?? Promise.resolve();
  const own = before.catch(() => undefined).then(async () => await writeCharter(dir, charter));
  saving.set(dir, own);
  await own.finally(() => {
    if (saving.get(dir) === own) saving.delete(dir);
  });
}

async function writeCharter(dir: string, charter: TrustedCharter): Promise<void> {
  const { charter: old } = await loadCharter(dir).catch(() => ({ charter: undefined }));
  await saveFiles(dir, charterWrites(old, charter));
}

/**
 * What is written, in this order, to put one charter in place of another. A crash leaves any number of
 * these writes undone, and whatever it leaves must verify: in between `bundle.pem` holds the roots
 * that signed either, for agents may adopt several charters before they write one down, and the last
 * may be signed by a root that the first bundle does not have.
 */
export function charterWrites(
  old: TrustedCharter | undefined,
  next: TrustedCharter,
): readonly FileContent[] {
  const signers = [old, next].flatMap((charter) =>
    charter === undefined ? [] : signerOf(charter),
  );
  return [
    ...(signers.length === 0
      ? []
      : [{ name: "bundle.pem", content: bundleOf(signers.map((root) => root.der)).pem }]),
    { name: "charter.json", content: formatCharterFile(next.signed) },
    { name: "bundle.pem", content: next.bundle.pem },
  ];
}

/** A charter's own bundle has the root that signed it: `signCharter` refuses anything else. */
function signerOf({ bundle, signed }: TrustedCharter): readonly Certificate[] {
  return bundle.roots.filter((root) => root.spkiSha256 === signed.signer);
}

function refuse(path: string, truth: string): never {
  throw new MeshError("MESH_TRUST_IDENTITY_REFUSED", `Cannot use "${path}": ${truth}`);
}
