import type { Charter, CharterException } from "../../mesh/charter.ts";
import {
  infrastructureSpiffeId,
  type MeshDomain,
  parseMemberName,
  trustDomainOf,
} from "../../mesh/ids.ts";
import { bundleOf } from "../bundle.ts";
import type { Certificate } from "../certificate.ts";
import { signCharter } from "../charter.ts";
import { firstCharter, type MemberClaims, withMember } from "../charter-edit.ts";
import { formatCharterFile } from "../charter-file.ts";
import { judgeImportedRoot, refuseImport } from "../import/imported-root.ts";
import { type Issuer, issueIntermediate, probeIssuer } from "../issue.ts";
import { curveOf, privateKeyPemOf, readPrivateKey, spkiOf } from "../keys.ts";
import { toPem } from "../pem.ts";
import { issuerTrustDomain } from "../root-guard.ts";
import { type Signer, signerOf } from "../signer.ts";
import { readChain } from "./issuer-files.ts";
import { loadRoot, saveCharter } from "./member-files.ts";
import { newPrivateKey } from "./new-key.ts";
import { lockedRoot } from "./root-folder.ts";
import { checkEmpty, makeEmptyDir, readKeyFile, saveFiles } from "./safe-files.ts";

/** What an import has written. */
export interface Imported {
  readonly dir: string;
  readonly notAfterMs: number;
  /** SHA-256 (hex) of the root's certificate. */
  readonly rootSha256: string;
  /** The charter's number that names it. */
  readonly number: number;
  /** Undefined: its name constraints keep the root inside the mesh. */
  readonly exception: string | undefined;
}

interface Given {
  /** PEM: the certificate first, then what stands above it. */
  readonly chainFile: string;
  /** PKCS#8, 0600. */
  readonly keyFile: string;
  /** Why a root without name constraints is taken. */
  readonly exception: string | undefined;
  readonly nowMs: number;
}

/**
 * Makes a mesh whose root was made elsewhere. Before anything is written it certifies a member and an identity and
 * verifies both as peers would. Throws MESH_TRUST_ISSUE_REFUSED, MESH_TRUST_CHAIN_REFUSED, MESH_USAGE and as reading
 * the files does.
 */
export async function importRoot(
  options: Given & { readonly dir: string; readonly mesh: MeshDomain },
): Promise<Imported> {
  const { dir, mesh, nowMs, exception: reason } = options;
  await checkEmpty(dir);
  const [root, ...more] = await readChain(options.chainFile);
  if (more.length > 0) refuseImport("a root stands alone in its file");
  const { signer, keyPem } = await readSigner(options.keyFile, root);
  const exception = judgeImportedRoot(root, { mesh, nowMs, reason });
  await probeRoot({ certificate: root, signer }, { mesh, nowMs });
  const bundle = bundleOf([root.der]);
  const first = firstCharter({ mesh, bundle, nowMs });
  const charter = await signCharter(withException(first, exception), signer);
  await makeEmptyDir(dir);
  await saveFiles(dir, [
    { name: "root.key", content: keyPem },
    { name: "root.pem", content: bundle.pem },
    { name: "bundle.pem", content: charter.bundle.pem },
    { name: "charter.json", content: formatCharterFile(charter.signed) },
  ]);
  return importedOf(dir, { root, notAfterMs: root.notAfterMs, number: 1, exception });
}

/**
 * Enters a member whose issuer another authority certified: SPIRE, or a company's CA. That authority's root joins the
 * charter's bundle. The issuer has to be bound to its member as one of ours is. Throws as `importRoot`.
 */
export async function importMember(
  options: Given & {
    /** The folder of the mesh's own root, which signs the charter. */
    readonly dir: string;
    readonly out: string;
    readonly claims: MemberClaims;
    readonly renew: boolean;
  },
): Promise<Imported> {
  const { dir, out, claims, nowMs } = options;
  await checkEmpty(out);
  const chain = await readChain(options.chainFile);
  const [certificate, ...rest] = chain;
  const root = rest.at(-1);
  if (root === undefined || root.subject !== root.issuer) {
    return refuseImport("its file has to end with the self-signed root of its authority");
  }
  const { signer, keyPem } = await readSigner(options.keyFile, certificate);
  return await lockedRoot(dir, async () => {
    const { root: own, charter: current } = await loadRoot(dir);
    const { mesh } = current.charter;
    const exception = judgeImportedRoot(root, { mesh, nowMs, reason: options.exception });
    const trustDomain = trustDomainOf(claims.name, mesh);
    if (issuerTrustDomain(certificate) !== trustDomain) refuseImport(wanted(trustDomain));
    const issuer: Issuer = { certificate, signer, above: rest.slice(0, -1) };
    const id = infrastructureSpiffeId(trustDomain, "agent");
    await probeIssuer(issuer, { id, roots: [root], nowMs });
    const listed = withMember(current.charter, {
      claims,
      issuerSpkiSha256: signer.keyId,
      issuerEndsMs: certificate.notAfterMs,
      renew: options.renew,
      nowMs,
    });
    const charter = await signCharter(withRoot(withException(listed, exception), root), own.signer);
    await saveCharter(dir, charter);
    await makeEmptyDir(out);
    const pem = [certificate, ...(issuer.above ?? [])].map((one) => toPem("CERTIFICATE", one.der));
    await saveFiles(out, [
      { name: "member.key", content: keyPem },
      { name: "member.pem", content: pem.join("") },
      { name: "bundle.pem", content: charter.bundle.pem },
      { name: "charter.json", content: formatCharterFile(charter.signed) },
    ]);
    const { number } = charter.charter;
    return importedOf(out, { root, notAfterMs: certificate.notAfterMs, number, exception });
  });
}

function wanted(trustDomain: string): string {
  return (
    `an issuer of this member is a CA with path length 0, the one alternative name URI:spiffe://${trustDomain}, and ` +
    `these critical name constraints: permitted URI, DNS and mail host ${trustDomain}; excluded all IPv4 and IPv6 ` +
    `addresses, and mail host ${trustDomain}. Without them its key could speak for other members`
  );
}

async function readSigner(
  keyFile: string,
  certificate: Certificate,
): Promise<{ readonly signer: Signer; readonly keyPem: ReturnType<typeof privateKeyPemOf> }> {
  const key = readPrivateKey(await readKeyFile(keyFile));
  if (curveOf(spkiOf(key)) !== "P-256") refuseImport("its key is not on P-256");
  const signer = signerOf(key);
  if (signer.keyId !== certificate.spkiSha256)
    refuseImport("its key is not that of its certificate");
  return { signer, keyPem: privateKeyPemOf(key) };
}

async function probeRoot(
  root: Issuer,
  { mesh, nowMs }: { readonly mesh: MeshDomain; readonly nowMs: number },
): Promise<void> {
  const signer = signerOf(newPrivateKey());
  const member = parseMemberName("probe");
  const spki = spkiOf(signer.publicKey);
  const certificate = await issueIntermediate({ root, member, mesh, spki, nowMs });
  const id = infrastructureSpiffeId(trustDomainOf(member, mesh), "agent");
  await probeIssuer({ certificate, signer }, { id, roots: [root.certificate], nowMs });
}

function withRoot(charter: Charter, root: Certificate): Charter {
  const text = root.der.toString("base64");
  return charter.bundle.includes(text)
    ? charter
    : { ...charter, bundle: [...charter.bundle, text] };
}

/** Said once of each root. */
function withException(charter: Charter, exception: CharterException | undefined): Charter {
  if (exception === undefined) return charter;
  const known = charter.exceptions ?? [];
  const isKnown = known.some(({ sha256 }) => sha256 === exception.sha256);
  return isKnown ? charter : { ...charter, exceptions: [...known, exception] };
}

function importedOf(
  dir: string,
  made: {
    readonly root: Certificate;
    readonly notAfterMs: number;
    readonly number: number;
    readonly exception: CharterException | undefined;
  },
): Imported {
  const { root, notAfterMs, number, exception } = made;
  return { dir, notAfterMs, rootSha256: root.sha256, number, exception: exception?.reason };
}
