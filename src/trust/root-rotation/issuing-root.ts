import { verify } from "node:crypto";
import type { Charter } from "../../mesh/charter.ts";
import type { Certificate } from "../certificate.ts";
import { parseCertificate } from "../certificate.ts";
import type { Issuer } from "../issue.ts";

/** The root that certifies issuers while the root is rotated. */
export interface IssuingRoot {
  /** SHA-256 (hex) of its SubjectPublicKeyInfo. */
  readonly spkiSha256: string;
  /** What goes with what it signs, for readers that trust the root before it alone. */
  readonly above: readonly Certificate[];
}

/** Undefined while no rotation says which: then any root of the bundle does. */
export function issuingRootOf({ rotation, rotationStep }: Charter): IssuingRoot | undefined {
  if (rotation === undefined || rotationStep === "idle") return undefined;
  const isBefore = rotationStep === "prepared" || rotationStep === "publishing";
  if (isBefore) return { spkiSha256: rotation.from, above: [] };
  // When the old root is gone, everybody who counts has the new one.
  const isShown = rotation.cross !== undefined && rotationStep !== "retiring";
  const above = isShown ? [parseCertificate(Buffer.from(rotation.cross ?? "", "base64"))] : [];
  return { spkiSha256: rotation.to, above };
}

/**
 * The root that signs charters: until the old one is retired it, because whoever was away knows no other; while
 * a rotation is being undone the one that everybody knows. Undefined: any root of the bundle.
 */
export function charterSignerOf({ rotation, rotationStep }: Charter): string | undefined {
  if (rotation === undefined || rotationStep === "idle") return undefined;
  const isUndone = rotation.cross === undefined;
  return isUndone || rotationStep === "retiring" ? rotation.to : rotation.from;
}

// Whoever was away for more rotations cannot verify its agent any more, and its certificates have ended long since.
const maxCrosses = 2;

/**
 * With these in its chain, an agent is believed by launchers that were away while the root was rotated, and know
 * the one before.
 */
export function crossesOf({ succession = [] }: Charter): readonly Certificate[] {
  const said = succession.flatMap(({ cross }) => (cross === undefined ? [] : [cross]));
  return said.slice(-maxCrosses).map((text) => parseCertificate(Buffer.from(text, "base64")));
}

/** The root of the bundle under which an issuer stands; undefined: none, so that nobody accepts what it signs. */
export function rootAbove(
  issuer: Pick<Issuer, "certificate" | "above">,
  roots: readonly Certificate[],
): Certificate | undefined {
  // Its own signature first: a cross-certificate beside it leads to the root before.
  for (const subject of [issuer.certificate, ...(issuer.above ?? [])]) {
    const root = roots.find((one) => hasSigned(one, subject));
    if (root !== undefined) return root;
  }
  return undefined;
}

/**
 * The issuer as its leaves show it: what stands above it goes along only while somebody may need that, so that no
 * handshake carries a cross-certificate for the rest of the issuer's life.
 */
export function shownIssuer(
  issuer: Issuer,
  { charter, roots }: { readonly charter: Charter; readonly roots: readonly Certificate[] },
): Issuer {
  const isRotating = charter.rotation !== undefined;
  const { above: _, ...bare } = issuer;
  return isRotating || rootAbove(bare, roots) === undefined ? issuer : bare;
}

/** Why this issuer has to be replaced before its time; undefined: it has not. */
export function issuerOutdated(
  issuer: Pick<Issuer, "certificate" | "above">,
  { charter, roots }: { readonly charter: Charter; readonly roots: readonly Certificate[] },
): string | undefined {
  const root = rootAbove(issuer, roots);
  if (root === undefined) return "its root is not trusted any more";
  const wanted = issuingRootOf(charter);
  const isOther = wanted !== undefined && wanted.spkiSha256 !== root.spkiSha256;
  return isOther ? "the root is being rotated" : undefined;
}

function hasSigned(root: Certificate, subject: Certificate): boolean {
  return (
    subject.issuer === root.subject &&
    verify(subject.hash, subject.tbs, root.publicKey, subject.signature)
  );
}
