// A small mesh made in memory, and certificates that say whatever a test wants them to say.
import type { KeyObject } from "node:crypto";
import type { Charter, CharterMember } from "../../src/mesh/charter.ts";
import type { MemberName, MeshDomain, SpiffeId } from "../../src/mesh/ids.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNetworkName,
  parseSpiffeId,
  trustDomainOf,
} from "../../src/mesh/ids.ts";
import type { Bundle } from "../../src/trust/bundle.ts";
import { bundleOf } from "../../src/trust/bundle.ts";
import type { Certificate } from "../../src/trust/certificate.ts";
import { parseCertificate } from "../../src/trust/certificate.ts";
import type { TrustedCharter } from "../../src/trust/charter.ts";
import { signCharter } from "../../src/trust/charter.ts";
import { firstCharter } from "../../src/trust/charter-edit.ts";
import type { Der } from "../../src/trust/der.ts";
import { isTrue, namedBits, octets, oid, sequence, smallInteger } from "../../src/trust/der.ts";
import type { NameConstraints } from "../../src/trust/general-name.ts";
import { writeGeneralName, writeNameConstraints } from "../../src/trust/general-name.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import type { Authority } from "../../src/trust/issue.ts";
import { createRoot, issueIntermediate, issueSvid } from "../../src/trust/issue.ts";
import { spkiOf } from "../../src/trust/keys.ts";
import { oids } from "../../src/trust/oids.ts";
import { signerOf } from "../../src/trust/signer.ts";
import {
  authorityName,
  certificateOf,
  emptyName,
  keyIdOf,
  subjectOf,
  tbsOf,
} from "../../src/trust/template.ts";

export const mesh: MeshDomain = parseMeshDomain("acme.mesh");
export const east: MemberName = parseMemberName("east");
export const west: MemberName = parseMemberName("west");
export const nowMs: number = Date.UTC(2026, 10, 21, 12);
export const cartId: SpiffeId = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart");
export const westCartId: SpiffeId = parseSpiffeId("spiffe://west.acme.mesh/ns/shop/sa/cart");
const hourMs = 3_600_000;

/** An authority together with the key that a test may misuse. */
export interface MadeAuthority extends Authority {
  readonly key: KeyObject;
}

export interface MadeMesh {
  readonly root: MadeAuthority;
  readonly east: MadeAuthority;
  readonly west: MadeAuthority;
  readonly bundle: Bundle;
  readonly charter: TrustedCharter;
}

export async function madeMesh(atMs: number = nowMs): Promise<MadeMesh> {
  const root = await madeRoot(atMs);
  const members = {
    east: await madeMember(root, { member: east, atMs }),
    west: await madeMember(root, { member: west, atMs }),
  };
  const bundle = bundleOf([root.certificate.der]);
  const draft: Charter = {
    ...firstCharter({ mesh, bundle, nowMs: atMs }),
    members: [memberEntry(east, members.east), memberEntry(west, members.west)],
  };
  return { root, ...members, bundle, charter: await signCharter(draft, root.signer) };
}

export async function madeRoot(atMs: number = nowMs): Promise<MadeAuthority> {
  const key = newPrivateKey();
  const signer = signerOf(key);
  return { key, signer, certificate: await createRoot({ mesh, signer, nowMs: atMs }) };
}

export async function madeMember(
  root: Authority,
  options: { readonly member: MemberName; readonly atMs?: number },
): Promise<MadeAuthority> {
  const key = newPrivateKey();
  const spki = spkiOf(key);
  const { member, atMs } = options;
  const certificate = await issueIntermediate({ root, member, mesh, spki, nowMs: atMs ?? nowMs });
  return { key, signer: signerOf(key), certificate };
}

export function memberEntry(name: MemberName, issuer: Authority): CharterMember {
  return {
    name,
    cloud: "aws",
    region: "us-east-1",
    network: parseNetworkName(name),
    gatewayRanges: [],
    mayExport: ["*"],
    issuers: [issuer.signer.keyId],
    state: "active",
  };
}

export async function madeSvid(
  issuer: Authority,
  id: SpiffeId = cartId,
): Promise<{ readonly key: KeyObject; readonly leaf: Certificate }> {
  const key = newPrivateKey();
  return { key, leaf: await issueSvid({ issuer, id, spki: spkiOf(key), nowMs }) };
}

/** One extension; undefined leaves it out. */
export type Part = { readonly critical?: boolean; readonly value: Der } | undefined;

export interface Wish {
  readonly issuer: Authority;
  readonly spki?: Uint8Array;
  readonly subject?: Der;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly basicConstraints?: Part;
  readonly keyUsage?: Part;
  readonly extendedKeyUsage?: Part;
  readonly subjectAltName?: Part;
  readonly nameConstraints?: Part;
  /** Any further extension, already built. */
  readonly more?: readonly Der[];
}

/** Signs a certificate that says exactly this, right or wrong; a valid leaf's parts where nothing is said. */
export async function wishedLeaf(wish: Wish): Promise<Certificate> {
  return await wished({ ...leafParts, ...wish });
}

/** The same for an issuer of east's trust domain. */
export async function wishedIssuer(
  wish: Wish & { readonly key?: KeyObject },
): Promise<MadeAuthority> {
  const key = wish.key ?? newPrivateKey();
  const spki = spkiOf(key);
  const subject = authorityName("wished", spki);
  const certificate = await wished({ ...issuerParts, subject, ...wish, spki });
  return { key, signer: signerOf(key), certificate };
}

async function wished(wish: Wish): Promise<Certificate> {
  const { issuer } = wish;
  const part = (id: string, content: Part): readonly Der[] => {
    if (content === undefined) return [];
    const critical = content.critical === true ? [isTrue()] : [];
    return [sequence(oid(id), ...critical, octets(content.value))];
  };
  const tbs = tbsOf({
    issuer: subjectOf(issuer.certificate),
    subject: wish.subject ?? emptyName,
    notBeforeMs: wish.notBeforeMs ?? nowMs - hourMs,
    notAfterMs: wish.notAfterMs ?? nowMs + hourMs,
    spki: wish.spki ?? spkiOf(newPrivateKey()),
    issuerKeyId: keyIdOf(issuer.certificate.spki),
    extensions: [
      ...part(oids.basicConstraints, wish.basicConstraints),
      ...part(oids.keyUsage, wish.keyUsage),
      ...part(oids.extendedKeyUsage, wish.extendedKeyUsage),
      ...part(oids.nameConstraints, wish.nameConstraints),
      ...part(oids.subjectAltName, wish.subjectAltName),
      ...(wish.more ?? []),
    ],
  });
  return parseCertificate(certificateOf(tbs, await issuer.signer.sign(tbs)));
}

export function names(...list: Parameters<typeof writeGeneralName>[0][]): Der {
  return sequence(...list.map(writeGeneralName));
}

export function constraints(wanted: Partial<NameConstraints>): Part {
  const value = writeNameConstraints({ permitted: [], excluded: [], ...wanted });
  return { critical: true, value };
}

export const serverAndClient: Der = sequence(oid(oids.serverAuth), oid(oids.clientAuth));

const leafParts = {
  basicConstraints: { critical: true, value: sequence() },
  keyUsage: { critical: true, value: namedBits(0) },
  extendedKeyUsage: { value: serverAndClient },
  subjectAltName: { critical: true, value: names({ t: "uri", value: cartId }) },
};

const eastUri = { t: "uri", value: trustDomainOf(east, mesh) } as const;

const issuerParts = {
  basicConstraints: { critical: true, value: sequence(isTrue(), smallInteger(0)) },
  keyUsage: { critical: true, value: namedBits(5) },
  nameConstraints: constraints({ permitted: [eastUri] }),
};
