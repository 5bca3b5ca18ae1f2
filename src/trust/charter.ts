import { verify } from "node:crypto";
import { type Charter, charterMember, type SignedCharter } from "../mesh/charter.ts";
import { reasonOf } from "../mesh/errors.ts";
import type { MeshDomain } from "../mesh/ids.ts";
import type { Bundle } from "./bundle.ts";
import { bundleOf } from "./bundle.ts";
import type { Certificate } from "./certificate.ts";
import { encodeCharter, maxCharterBytes, parseCharter } from "./charter-codec.ts";
import { refuseCharter } from "./charter-fields.ts";
import { successorsOf } from "./root-rotation/succession.ts";
import type { Signer } from "./signer.ts";

/** A charter whose signature holds, with the roots that it names. */
export interface TrustedCharter {
  readonly charter: Charter;
  readonly bundle: Bundle;
  readonly signed: SignedCharter;
}

// The root's key signs certificates too. What it signs here starts with a word that no certificate
// starts with, so neither can ever be taken for the other.
const purpose = Buffer.from("isthmus charter 1\n");

/** Throws MESH_TRUST_CHARTER_REFUSED when what it is to sign would be refused by its readers. */
export async function signCharter(charter: Charter, signer: Signer): Promise<TrustedCharter> {
  const bytes = encodeCharter(charter);
  const signature = await signer.sign(signedPart(bytes));
  const signed = { bytes, signature, signer: signer.keyId };
  const own = bundleOf(charter.bundle.map((root) => Buffer.from(root, "base64")));
  return verifyCharter(signed, { mesh: charter.mesh, bundle: own });
}

/**
 * `bundle` is what is trusted now: the bundle of the last charter, or the file that came with the first
 * identity. Checks the signature first and reads afterwards; where none of these roots signed it, only its
 * succession is read before, for a root that one of them declared to be the next.
 * Throws MESH_TRUST_CHARTER_REFUSED.
 */
export function verifyCharter(
  signed: SignedCharter,
  trusted: { readonly mesh: MeshDomain; readonly bundle: Bundle },
): TrustedCharter {
  if (signed.bytes.length > maxCharterBytes) return refuseCharter("it is too large");
  const isSigner = (one: Certificate): boolean => one.spkiSha256 === signed.signer;
  const root = trusted.bundle.roots.find(isSigner) ?? successors(signed, trusted).find(isSigner);
  if (root === undefined) return refuseCharter("no trusted root signed it");
  if (!verify("sha256", signedPart(signed.bytes), root.publicKey, signed.signature)) {
    return refuseCharter("its signature is wrong");
  }
  const charter = parseCharter(signed.bytes);
  if (charter.mesh !== trusted.mesh) return refuseCharter(`it is of mesh "${charter.mesh}"`);
  try {
    const bundle = bundleOf(charter.bundle.map((text) => Buffer.from(text, "base64")));
    return { charter, bundle, signed };
  } catch (cause) {
    return refuseCharter("its bundle is broken", cause);
  }
}

function successors(
  signed: SignedCharter,
  { mesh, bundle }: { readonly mesh: MeshDomain; readonly bundle: Bundle },
): readonly Certificate[] {
  const { succession = [] } = parseCharter(signed.bytes);
  return successorsOf(bundle.roots, { succession, mesh });
}

/** What to do with a charter that a hub or a peer offers. */
export type CharterVerdict =
  | { readonly t: "newer"; readonly charter: TrustedCharter }
  /** Older or the very same: keep the current one. */
  | { readonly t: "known" }
  /**
   * Not made from ours: two documents with one number, or a later one that forgets a member or a denial. A root signer
   * was used twice at once. Keep ours, tell the operator.
   */
  | { readonly t: "conflict"; readonly number: number }
  | { readonly t: "refused"; readonly reason: string };

/** Higher numbers replace lower ones; nothing ever goes back. */
export function judgeCharter(offered: SignedCharter, current: TrustedCharter): CharterVerdict {
  if (isSameBytes(offered.bytes, current.signed.bytes)) return { t: "known" };
  let charter: TrustedCharter;
  try {
    const { mesh } = current.charter;
    charter = verifyCharter(offered, { mesh, bundle: current.bundle });
  } catch (thrown) {
    return { t: "refused", reason: reasonOf(thrown) };
  }
  const { number } = charter.charter;
  if (number === current.charter.number) return { t: "conflict", number };
  if (number < current.charter.number) return { t: "known" };
  return forgets(charter.charter, current.charter)
    ? { t: "conflict", number }
    : { t: "newer", charter };
}

/**
 * Entries are never taken out, and a denied one is back only where its entry says so, by the number of a later charter
 * than ours, or as another member with other issuers. A charter without that was made by somebody who did not have ours: to follow it would drop a member, or let a denied one in again.
 */
function forgets(next: Charter, ours: Charter): boolean {
  return ours.members.some(({ name, state, issuers }) => {
    const entry = charterMember(next, name);
    if (entry === undefined) return true;
    const isBack = state === "denied" && entry.state !== "denied";
    if (!isBack || (entry.readmitted ?? 0) > ours.number) return false;
    return entry.issuers.some((issuer) => issuers.includes(issuer));
  });
}

function signedPart(bytes: Uint8Array): Buffer {
  return Buffer.concat([purpose, bytes]);
}

function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
