import type { MemberName, MeshDomain, SpiffeId } from "../../mesh/ids.ts";
import { infrastructureSpiffeId, trustDomainOf, workloadSpiffeId } from "../../mesh/ids.ts";
import { bundleOf } from "../bundle.ts";
import type { Certificate } from "../certificate.ts";
import type { TrustedCharter } from "../charter.ts";
import { signCharter } from "../charter.ts";
import type { MemberClaims } from "../charter-edit.ts";
import { firstCharter, withMember } from "../charter-edit.ts";
import { formatCharterFile } from "../charter-file.ts";
import { identityOf } from "../identity.ts";
import { chainOf, createRoot, issueIntermediate, issueSvid, probeIssuer } from "../issue.ts";
import { privateKeyPemOf, spkiOf } from "../keys.ts";
import { toPem } from "../pem.ts";
import { type Signer, signerOf } from "../signer.ts";
import { loadMember, loadRoot, saveCharter } from "./member-files.ts";
import { newPrivateKey } from "./new-key.ts";
import { openOrMakeTokenKey } from "./pkcs11/pkcs11-signer.ts";
import type { Pkcs11Place } from "./pkcs11/token.ts";
import { lockedRoot } from "./root-folder.ts";
import { tokenFileFor } from "./root-place.ts";
import type { FileContent } from "./safe-files.ts";
import { checkEmpty, makeEmptyDir, saveFiles } from "./safe-files.ts";

/** What every command that issues has made. */
export interface Issued {
  /** The folder that was written. */
  readonly dir: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256 (hex) of the new certificate. */
  readonly sha256: string;
}

export interface IssuedMember extends Issued {
  readonly member: MemberName;
  /** The charter's number that lists it. */
  readonly number: number;
}

export interface IssuedSvid extends Issued {
  readonly id: SpiffeId;
}

/** Makes a mesh: a root, and a charter without members. Throws MESH_USAGE when `dir` holds anything. */
export async function initTrust(options: {
  readonly dir: string;
  readonly mesh: MeshDomain;
  /** Where the root's key is made, or is already; absent: a new one in the folder. */
  readonly token?: Pkcs11Place;
  readonly nowMs: number;
}): Promise<Issued> {
  const { dir, mesh, nowMs } = options;
  // Before anything is signed; looked at again when it is written.
  await checkEmpty(dir);
  const { signer, file } = await rootKey(options);
  const root = await createRoot({ mesh, signer, nowMs });
  const bundle = bundleOf([root.der]);
  const charter = await signCharter(firstCharter({ mesh, bundle, nowMs }), signer);
  await writeNew(dir, [
    file,
    { name: "root.pem", content: toPem("CERTIFICATE", root.der) },
    ...charterFiles(charter),
  ]);
  return issued(dir, root);
}

async function rootKey({
  dir,
  token,
}: {
  readonly dir: string;
  readonly token?: Pkcs11Place;
}): Promise<{ readonly signer: Signer; readonly file: FileContent }> {
  if (token !== undefined) {
    return { signer: await openOrMakeTokenKey(token), file: tokenFileFor(dir, token) };
  }
  const key = newPrivateKey();
  return { signer: signerOf(key), file: { name: "root.key", content: privateKeyPemOf(key) } };
}

/**
 * Gives a member its issuer and enters it into the charter, whose number rises. `renew` is for a
 * member that the charter has: its earlier issuers stay listed. Throws MESH_TRUST_ISSUE_REFUSED,
 * MESH_USAGE and what reading the root throws.
 */
export async function issueMember(options: {
  readonly dir: string;
  readonly out: string;
  readonly claims: MemberClaims;
  readonly renew?: boolean;
  readonly nowMs: number;
}): Promise<IssuedMember> {
  const { dir, out, claims, nowMs } = options;
  await checkEmpty(out);
  return await lockedRoot(dir, async () => {
    const { root, charter: current } = await loadRoot(dir);
    const { mesh } = current.charter;
    const key = newPrivateKey();
    const signer = signerOf(key);
    const spki = spkiOf(key);
    const member = claims.name;
    const certificate = await issueIntermediate({ root, member, mesh, spki, nowMs });
    const next = withMember(current.charter, {
      claims,
      issuerSpkiSha256: signer.keyId,
      issuerEndsMs: certificate.notAfterMs,
      renew: options.renew ?? false,
      nowMs,
    });
    const id = infrastructureSpiffeId(trustDomainOf(member, mesh), "agent");
    const { roots } = current.bundle;
    await probeIssuer({ certificate, signer }, { id, roots, nowMs });
    const charter = await signCharter(next, root.signer);
    // The charter first: an issuer that nobody holds does no harm, one number for two charters does.
    await saveCharter(dir, charter);
    await writeNew(out, [
      { name: "member.key", content: privateKeyPemOf(key) },
      { name: "member.pem", content: toPem("CERTIFICATE", certificate.der) },
      ...charterFiles(charter),
    ]);
    return { ...issued(out, certificate), member, number: charter.charter.number };
  });
}

/** `dir` is a member's folder. Throws as `issueMember`. */
export async function issueGateway(options: SvidOptions): Promise<IssuedSvid> {
  return await writeSvid(options, (trustDomain) => infrastructureSpiffeId(trustDomain, "gateway"));
}

/** `dir` is a member's folder. Throws as `issueMember`. */
export async function issueWorkload(
  options: SvidOptions & {
    readonly account: { readonly namespace: string; readonly serviceAccount: string };
  },
): Promise<IssuedSvid> {
  return await writeSvid(options, (trustDomain) => workloadSpiffeId(trustDomain, options.account));
}

export interface SvidOptions {
  readonly dir: string;
  readonly out: string;
  readonly nowMs: number;
  /** Default 24 h. */
  readonly lifeMs?: number;
}

async function writeSvid(
  options: SvidOptions,
  idFor: (trustDomain: ReturnType<typeof trustDomainOf>) => SpiffeId,
): Promise<IssuedSvid> {
  const { dir, out, nowMs, lifeMs } = options;
  await checkEmpty(out);
  const { issuer, bundle, trustDomain } = await loadMember(dir);
  const id = idFor(trustDomain);
  const key = newPrivateKey();
  const life = lifeMs === undefined ? {} : { lifeMs };
  const leaf = await issueSvid({ issuer, id, spki: spkiOf(key), nowMs, ...life });
  const identity = identityOf(key, {
    chainDer: chainOf(leaf, issuer),
    bundleDer: bundle.roots.map((root) => root.der),
  });
  await writeNew(out, [
    { name: "svid.key", content: identity.privateKeyPem },
    { name: "svid.pem", content: identity.certChainPem },
    { name: "bundle.pem", content: identity.bundlePem },
  ]);
  return { ...issued(out, leaf), id };
}

function charterFiles(charter: TrustedCharter): readonly FileContent[] {
  return [
    { name: "bundle.pem", content: charter.bundle.pem },
    { name: "charter.json", content: formatCharterFile(charter.signed) },
  ];
}

function issued(dir: string, certificate: Certificate): Issued {
  const { notBeforeMs, notAfterMs, sha256 } = certificate;
  return { dir, notBeforeMs, notAfterMs, sha256 };
}

async function writeNew(dir: string, files: readonly FileContent[]): Promise<void> {
  await makeEmptyDir(dir);
  await saveFiles(dir, files);
}
