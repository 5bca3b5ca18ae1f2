import assert from "node:assert/strict";
import { test } from "node:test";
import { isTrue, namedBits, octets, oid, sequence, smallInteger } from "../../src/trust/der.ts";
import { oids } from "../../src/trust/oids.ts";
import { judgeLeaf } from "../../src/trust/svid-rules.ts";
import { authorityName } from "../../src/trust/template.ts";
import { verifyPath } from "../../src/trust/verify.ts";
import {
  cartId,
  constraints,
  madeMesh,
  names,
  nowMs,
  serverAndClient,
  type Wish,
  wishedIssuer,
  wishedLeaf,
} from "./made.ts";

const made = await madeMesh();
const roots = made.bundle.roots;

const uri = (value: string): Wish["subjectAltName"] => ({
  critical: true,
  value: names({ t: "uri", value }),
});
const stranger = (critical: boolean): Wish["more"] => [
  sequence(oid("1.2.3.4.5"), ...(critical ? [isTrue()] : []), octets(sequence())),
];

const leafCases: readonly [
  claim: string,
  wish: Omit<Wish, "issuer">,
  reason: RegExp | undefined,
][] = [
  ["a plain SVID", {}, undefined],
  ["no basic constraints", { basicConstraints: undefined }, undefined],
  ["no extended key usage", { extendedKeyUsage: undefined }, undefined],
  [
    "a further DNS name",
    {
      subjectAltName: {
        critical: true,
        value: names({ t: "uri", value: cartId }, { t: "dns", value: "cart.shop" }),
      },
    },
    undefined,
  ],
  ["an unknown extension that is not critical", { more: stranger(false) ?? [] }, undefined],
  ["an unknown critical extension", { more: stranger(true) ?? [] }, /unknown critical/],
  ["a CA", { basicConstraints: { critical: true, value: sequence(isTrue()) } }, /is a CA/],
  ["no key usage", { keyUsage: undefined }, /key usage/],
  ["key usage that is not critical", { keyUsage: { value: namedBits(0) } }, /key usage/],
  [
    "key usage without digitalSignature",
    { keyUsage: { critical: true, value: namedBits(4) } },
    /may not sign/,
  ],
  ["keyCertSign", { keyUsage: { critical: true, value: namedBits(0, 5) } }, /certificates or CRLs/],
  ["cRLSign", { keyUsage: { critical: true, value: namedBits(0, 6) } }, /certificates or CRLs/],
  [
    "server use alone",
    { extendedKeyUsage: { value: sequence(oid(oids.serverAuth)) } },
    /server and client/,
  ],
  [
    "client use alone",
    { extendedKeyUsage: { value: sequence(oid(oids.clientAuth)) } },
    /server and client/,
  ],
  ["no alternative name", { subjectAltName: undefined }, /exactly one URI/],
  [
    "no URI",
    { subjectAltName: { critical: true, value: names({ t: "dns", value: "cart" }) } },
    /exactly one URI/,
  ],
  [
    "two URIs",
    {
      subjectAltName: {
        critical: true,
        value: names({ t: "uri", value: cartId }, { t: "uri", value: cartId }),
      },
    },
    /exactly one URI/,
  ],
  [
    "an empty subject under a name that is not critical",
    { subjectAltName: { value: names({ t: "uri", value: cartId }) } },
    /subject is empty/,
  ],
  [
    "name constraints",
    { nameConstraints: constraints({ permitted: [{ t: "uri", value: "east.acme.mesh" }] }) },
    /name constraints/,
  ],
  ["a SPIFFE ID without path", { subjectAltName: uri("spiffe://east.acme.mesh") }, /no path/],
  [
    "a SPIFFE ID that ends in a slash",
    { subjectAltName: uri("spiffe://east.acme.mesh/") },
    /not a SPIFFE ID/,
  ],
  [
    "upper case in the trust domain",
    { subjectAltName: uri("spiffe://East.acme.mesh/a") },
    /not a SPIFFE ID/,
  ],
  ["a dot segment", { subjectAltName: uri("spiffe://east.acme.mesh/ns/../a") }, /not a SPIFFE ID/],
  ["a query", { subjectAltName: uri("spiffe://east.acme.mesh/a?b") }, /not a SPIFFE ID/],
  ["a port", { subjectAltName: uri("spiffe://east.acme.mesh:1/a") }, /not a SPIFFE ID/],
  ["percent-encoding", { subjectAltName: uri("spiffe://east.acme.mesh/%61") }, /not a SPIFFE ID/],
  ["an https URI", { subjectAltName: uri("https://east.acme.mesh/a") }, /not a SPIFFE ID/],
];

for (const [claim, wish, reason] of leafCases) {
  test(`judgeLeaf() ${reason === undefined ? "takes" : "refuses"} ${claim}`, async () => {
    const verdict = judgeLeaf(await wishedLeaf({ issuer: made.east, ...wish }));
    if (reason === undefined) assert.deepEqual(verdict, { t: "ok", id: cartId });
    else assert.match(verdict.t === "refused" ? verdict.reason : "taken", reason);
  });
}

test("judgeLeaf() takes a name that is not critical under a subject", async () => {
  const subject = authorityName("cart", made.east.certificate.spki);
  const subjectAltName = { value: names({ t: "uri", value: cartId }) };
  const leaf = await wishedLeaf({ issuer: made.east, subject, subjectAltName });
  assert.equal(judgeLeaf(leaf).t, "ok");
});

const dayMs = 86_400_000;
const ca = (
  ...parts: readonly ReturnType<typeof isTrue>[]
): NonNullable<Wish["basicConstraints"]> => ({
  critical: true,
  value: sequence(...parts),
});

const issuerCases: readonly [string, Omit<Wish, "issuer">, RegExp | undefined][] = [
  ["a member's issuer", {}, undefined],
  [
    "an extended key usage of both TLS sides",
    { extendedKeyUsage: { value: serverAndClient } },
    undefined,
  ],
  [
    "any extended key usage",
    { extendedKeyUsage: { value: sequence(oid(oids.anyExtendedKeyUsage)) } },
    undefined,
  ],
  [
    "a trust domain of its own",
    { subjectAltName: { value: names({ t: "uri", value: "spiffe://east.acme.mesh" }) } },
    undefined,
  ],
  ["no path length", { basicConstraints: ca(isTrue()) }, undefined],
  ["no CA", { basicConstraints: ca() }, /not a CA/],
  ["no basic constraints", { basicConstraints: undefined }, /not a CA/],
  [
    "basic constraints that are not critical",
    { basicConstraints: { value: sequence(isTrue(), smallInteger(0)) } },
    /not a CA/,
  ],
  ["no key usage", { keyUsage: undefined }, /may not sign/],
  ["key usage that is not critical", { keyUsage: { value: namedBits(5) } }, /may not sign/],
  [
    "key usage without keyCertSign",
    { keyUsage: { critical: true, value: namedBits(6) } },
    /may not sign/,
  ],
  [
    "an extended key usage of servers alone",
    { extendedKeyUsage: { value: sequence(oid(oids.serverAuth)) } },
    /not for TLS/,
  ],
  ["an unknown critical extension", { more: stranger(true) ?? [] }, /unknown critical/],
  [
    "another trust domain's name",
    { subjectAltName: { value: names({ t: "uri", value: "spiffe://west.acme.mesh" }) } },
    /another trust domain/,
  ],
  [
    "a SPIFFE ID with a path",
    { subjectAltName: { value: names({ t: "uri", value: "spiffe://east.acme.mesh/ca" }) } },
    /another trust domain/,
  ],
  [
    "two URIs",
    {
      subjectAltName: {
        value: names(
          { t: "uri", value: "spiffe://east.acme.mesh" },
          { t: "uri", value: "spiffe://west.acme.mesh" },
        ),
      },
    },
    /another trust domain/,
  ],
  ["no name constraints", { nameConstraints: undefined }, /no issuer is bound/],
  [
    "name constraints on DNS alone",
    { nameConstraints: constraints({ permitted: [{ t: "dns", value: "east.acme.mesh" }] }) },
    /no issuer is bound/,
  ],
  [
    "another member's name constraints",
    { nameConstraints: constraints({ permitted: [{ t: "uri", value: "west.acme.mesh" }] }) },
    /not permitted/,
  ],
  ["a time that is over", { notAfterMs: nowMs - 1000 }, /expired/],
  ["a time to come", { notBeforeMs: nowMs + 1000, notAfterMs: nowMs + dayMs }, /not valid yet/],
];

for (const [claim, wish, reason] of issuerCases) {
  test(`verifyPath() ${reason === undefined ? "takes" : "refuses"} an issuer with ${claim}`, async () => {
    const issuer = await wishedIssuer({ issuer: made.root, ...wish });
    const leaf = await wishedLeaf({ issuer });
    const verdict = verifyPath([leaf, issuer.certificate], { roots, atMs: nowMs });
    if (reason === undefined) assert.equal(verdict.t, "ok");
    else assert.match(verdict.t === "refused" ? verdict.reason : "taken", reason);
  });
}
