import { verify } from "node:crypto";
import type { Succession } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { MeshDomain } from "../../mesh/ids.ts";
import { bundleOf } from "../bundle.ts";
import type { Certificate } from "../certificate.ts";
import type { Signer } from "../signer.ts";

// No certificate and no charter starts with it: what a root signs here can be taken for neither. A
// cross-certificate would not do: to X.509 it is a CA like others that a corporate root may have signed.
const purpose = "isthmus root succession 1\n";

/** The present root's word that another one takes its place. */
export async function declareSuccessor(options: {
  readonly by: Signer;
  readonly root: Certificate;
  readonly mesh: MeshDomain;
}): Promise<Succession> {
  const { by, root, mesh } = options;
  const signature = await by.sign(signedPart(mesh, root.der));
  return {
    root: root.der.toString("base64"),
    by: by.keyId,
    signature: signature.toString("base64"),
  };
}

/** The roots that these statements lead to from those that are trusted, one by the other. Believes nothing else. */
export function successorsOf(
  trusted: readonly Certificate[],
  said: { readonly succession: readonly Succession[]; readonly mesh: MeshDomain },
): readonly Certificate[] {
  const known = new Map(trusted.map((root) => [root.spkiSha256, root]));
  const found: Certificate[] = [];
  for (const statement of said.succession) {
    const by = known.get(statement.by);
    const root = by === undefined ? undefined : rootSaidBy(by, statement, said.mesh);
    if (root === undefined || known.has(root.spkiSha256)) continue;
    known.set(root.spkiSha256, root);
    found.push(root);
  }
  return found;
}

function rootSaidBy(
  by: Certificate,
  { root, signature }: Succession,
  mesh: MeshDomain,
): Certificate | undefined {
  const der = Buffer.from(root, "base64");
  const part = signedPart(mesh, der);
  if (!verify("sha256", part, by.publicKey, Buffer.from(signature, "base64"))) return undefined;
  try {
    return bundleOf([der]).roots[0];
  } catch (thrown) {
    if (thrown instanceof MeshError) return undefined;
    throw thrown;
  }
}

function signedPart(mesh: MeshDomain, rootDer: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${purpose}${mesh}\n`), rootDer]);
}
