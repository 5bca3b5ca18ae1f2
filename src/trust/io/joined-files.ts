import { stat } from "node:fs/promises";
import { join } from "node:path";
import { charterMember, type SignedCharter } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import { infrastructureSpiffeId, memberOfTrustDomain } from "../../mesh/ids.ts";
import { bundleOf } from "../bundle.ts";
import { parseCertificate } from "../certificate.ts";
import { verifyCharter } from "../charter.ts";
import { parseCharter } from "../charter-codec.ts";
import { formatCharterFile } from "../charter-file.ts";
import { createCsr } from "../csr.ts";
import { probeIssuer } from "../issue.ts";
import { privateKeyPemOf, readPrivateKey } from "../keys.ts";
import { toPem } from "../pem.ts";
import { issuerTrustDomain } from "../root-guard.ts";
import { signerOf } from "../signer.ts";
import { loadMember, type MemberFiles } from "./member-files.ts";
import { newPrivateKey } from "./new-key.ts";
import { makeEmptyDir, readKeyFile, saveFiles } from "./safe-files.ts";

/** What an agent that may use the root gives a member. */
export interface MemberGrant {
  /** The intermediate first, DER, without the root. */
  readonly chain: readonly Uint8Array[];
  /** Trusted roots, DER. */
  readonly bundle: readonly Uint8Array[];
  readonly charter: SignedCharter;
}

/** The folder of a member that joined before; undefined: it did not. Throws as `loadMember`. */
export async function joinedBefore(dir: string): Promise<MemberFiles | undefined> {
  return (await isThere(join(dir, "member.pem"))) ? await loadMember(dir) : undefined;
}

/**
 * The request for a member's issuer, with a key that stays in the folder: an interrupted join goes on with it,
 * because a token is good for one key alone. Throws MESH_USAGE when the folder holds something else.
 */
export async function memberRequest(dir: string): Promise<Buffer> {
  const file = join(dir, "member.key");
  if (!(await isThere(file))) {
    await makeEmptyDir(dir);
    await saveFiles(dir, [{ name: "member.key", content: privateKeyPemOf(newPrivateKey()) }]);
  }
  return createCsr(readPrivateKey(await readKeyFile(file)));
}

/**
 * Checks a grant as peers will, and writes it beside the key. `bundlePem`: whom the newcomer trusted before.
 * Throws MESH_TRUST_…, and as the disk does; then nothing counts yet.
 */
export async function saveGrant(
  dir: string,
  { grant, nowMs }: { readonly grant: MemberGrant; readonly nowMs: number },
): Promise<MemberFiles> {
  const signer = signerOf(readPrivateKey(await readKeyFile(join(dir, "member.key"))));
  const [certificate, ...above] = grant.chain.map(parseCertificate);
  if (certificate?.spkiSha256 !== signer.keyId) return refuse("it is not for this key");
  const bundle = bundleOf(grant.bundle);
  const { mesh } = parseCharter(grant.charter.bytes);
  const { charter, signed } = verifyCharter(grant.charter, { mesh, bundle });
  const trustDomain = issuerTrustDomain(certificate);
  const name = trustDomain === undefined ? undefined : memberOfTrustDomain(trustDomain, mesh);
  const entry = name === undefined ? undefined : charterMember(charter, name);
  if (trustDomain === undefined || entry?.issuers.includes(signer.keyId) !== true) {
    return refuse(`charter ${charter.number} does not list it`);
  }
  const id = infrastructureSpiffeId(trustDomain, "agent");
  await probeIssuer({ certificate, above, signer }, { id, roots: bundle.roots, nowMs });
  const chain = [certificate, ...above];
  await saveFiles(dir, [
    { name: "bundle.pem", content: bundle.pem },
    { name: "charter.json", content: formatCharterFile(signed) },
    // Last: it makes the others count.
    { name: "member.pem", content: chain.map(({ der }) => toPem("CERTIFICATE", der)).join("") },
  ]);
  return await loadMember(dir);
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function refuse(truth: string): never {
  throw new MeshError("MESH_TRUST_IDENTITY_REFUSED", `Cannot use what the agent gave: ${truth}`);
}
