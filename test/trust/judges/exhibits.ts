// Chains that others judge: what we issue, and what a stolen issuer's key could issue.
import type { KeyObject } from "node:crypto";
import type { Certificate } from "../../../src/trust/certificate.ts";
import type { GeneralName } from "../../../src/trust/general-name.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { issueSvid } from "../../../src/trust/issue.ts";
import { privateKeyPemOf, spkiOf } from "../../../src/trust/keys.ts";
import { toPem } from "../../../src/trust/pem.ts";
import {
  cartId,
  type MadeAuthority,
  madeMesh,
  names,
  type Wish,
  westCartId,
  wishedIssuer,
  wishedLeaf,
} from "../made.ts";

export type Verdict = "ok" | "refused";
export type JudgeName = "ours" | "openssl" | "node" | "go" | "envoy";

export interface Exhibit {
  readonly claim: string;
  /** Leaf first. */
  readonly chain: readonly Certificate[];
  readonly chainPem: string;
  readonly keyPem: string;
  readonly expected: Readonly<Record<JudgeName, Verdict>>;
}

export interface Exhibits {
  readonly root: Certificate;
  readonly rootPem: string;
  readonly list: readonly Exhibit[];
}

/** Gives one verdict for each exhibit, in order; `mixed` when it differs between server and client. */
export type Judge = (exhibits: Exhibits) => Promise<readonly (Verdict | "mixed")[]>;

const hourMs = 3_600_000;
const uri = (value: string): GeneralName => ({ t: "uri", value });
const dns = (value: string): GeneralName => ({ t: "dns", value });
const own = uri(cartId);

/** What east's issuer signs beside what it may, as the names of the leaf. */
const stolen: readonly (readonly [
  string,
  readonly GeneralName[],
  Partial<Record<JudgeName, Verdict>>,
])[] = [
  ["west's SPIFFE ID", [uri(westCartId)], {}],
  ["west's SPIFFE ID beside its own", [own, uri(westCartId)], {}],
  ["west's trust domain as DNS name", [own, dns("west.acme.mesh")], {}],
  ["a DNS name below west's trust domain", [own, dns("probe.west.acme.mesh")], {}],
  ["a foreign DNS name", [own, dns("example.com")], {}],
  ["west's trust domain as DNS name alone", [dns("west.acme.mesh")], {}],
  ["a look-alike trust domain", [uri("spiffe://fareast.acme.mesh/ns/shop/sa/cart")], {}],
  ["the mesh domain itself", [uri("spiffe://acme.mesh/ns/shop/sa/cart")], {}],
  ["an IPv4 address", [own, { t: "ip", bytes: Buffer.from([10, 0, 0, 1]) }], {}],
  ["an IPv6 address", [own, { t: "ip", bytes: Buffer.alloc(16, 1) }], {}],
  ["a mail address of its own domain", [own, { t: "email", value: "a@east.acme.mesh" }], {}],
  ["a foreign mail address", [own, { t: "email", value: "a@example.com" }], {}],
  // Go takes a host without dot for its subdomains too; so no member is ever named below another.
  ["a trust domain below its own", [uri("spiffe://x.east.acme.mesh/ns/a/sa/b")], { go: "ok" }],
  // Only we demand a SPIFFE ID.
  [
    "a DNS name of its own and no SPIFFE ID",
    [dns("east.acme.mesh")],
    { openssl: "ok", node: "ok", go: "ok", envoy: "ok" },
  ],
];

export async function makeExhibits(nowMs: number): Promise<Exhibits> {
  const made = await madeMesh(nowMs);
  const validity = { notBeforeMs: nowMs - hourMs / 2, notAfterMs: nowMs + hourMs };
  const all = (verdict: Verdict): Exhibit["expected"] => ({
    ours: verdict,
    openssl: verdict,
    node: verdict,
    go: verdict,
    envoy: verdict,
  });
  const show = (
    claim: string,
    shown: { readonly chain: readonly Certificate[]; readonly key: KeyObject },
    expected: Exhibit["expected"],
  ): Exhibit => {
    const chainPem = shown.chain.map((one) => toPem("CERTIFICATE", one.der)).join("");
    return { claim, ...shown, chainPem, keyPem: privateKeyPemOf(shown.key).reveal(), expected };
  };
  const wish = async (
    issuer: MadeAuthority,
    change: Omit<Wish, "issuer">,
    ...above: readonly MadeAuthority[]
  ): Promise<{ chain: readonly Certificate[]; key: KeyObject }> => {
    const key = newPrivateKey();
    const leaf = await wishedLeaf({ issuer, ...validity, spki: spkiOf(key), ...change });
    return { key, chain: [leaf, issuer.certificate, ...above.map((one) => one.certificate)] };
  };
  const issued = async (dnsNames: readonly string[]): Promise<Parameters<typeof show>[1]> => {
    const key = newPrivateKey();
    const spki = spkiOf(key);
    const leaf = await issueSvid({ issuer: made.east, id: cartId, spki, nowMs, dnsNames });
    return { key, chain: [leaf, made.east.certificate] };
  };
  const below = await wishedIssuer({ issuer: made.east, ...validity });
  const stranger = await madeMesh(nowMs);
  const list = [
    show("an SVID as we issue it", await issued([]), all("ok")),
    show(
      "an SVID with a DNS name of its trust domain",
      await issued(["probe.east.acme.mesh"]),
      all("ok"),
    ),
    show("an expired SVID", await wish(made.east, { notAfterMs: nowMs - 60_000 }), all("refused")),
    show("an SVID of another root of that name", await wish(stranger.east, {}), all("refused")),
    show(
      "an SVID from an issuer below a member's",
      await wish(below, {}, made.east),
      all("refused"),
    ),
  ];
  for (const [claim, given, exceptions] of stolen) {
    const subjectAltName = { critical: true, value: names(...given) };
    const shown = await wish(made.east, { subjectAltName });
    list.push(show(`east signing ${claim}`, shown, { ...all("refused"), ...exceptions }));
  }
  return { root: made.root.certificate, rootPem: made.bundle.pem, list };
}
