import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSpiffeId, spiffePartsOf } from "../../src/mesh/ids.ts";
import { der, oid, sequence, tag, text } from "../../src/trust/der.ts";
import type { GeneralName, NameConstraints } from "../../src/trust/general-name.ts";
import { memberConstraints } from "../../src/trust/general-name.ts";
import { constraintBroken } from "../../src/trust/name-constraints.ts";
import { oids } from "../../src/trust/oids.ts";
import { verifyPath } from "../../src/trust/verify.ts";
import {
  cartId,
  constraints as constraintsPart,
  madeMesh,
  names,
  nowMs,
  westCartId,
  wishedIssuer,
  wishedLeaf,
} from "./made.ts";

const made = await madeMesh();
const { trustDomain } = spiffePartsOf(parseSpiffeId(cartId));
const own = memberConstraints(trustDomain);
const uri = (value: string): GeneralName => ({ t: "uri", value });
const dns = (value: string): GeneralName => ({ t: "dns", value });
const email = (value: string): GeneralName => ({ t: "email", value });
const ip = (...bytes: number[]): GeneralName => ({ t: "ip", bytes: Buffer.from(bytes) });
const permitted = (...bases: GeneralName[]): NameConstraints => ({
  permitted: bases,
  excluded: [],
});
const excluded = (...bases: GeneralName[]): NameConstraints => ({ permitted: [], excluded: bases });

const cases: readonly [NameConstraints, GeneralName, "taken" | "refused"][] = [
  // What every member's issuer carries.
  [own, uri(cartId), "taken"],
  [own, uri(westCartId), "refused"],
  [own, uri("spiffe://x.east.acme.mesh/ns/a/sa/b"), "refused"],
  [own, uri("spiffe://fareast.acme.mesh/ns/a/sa/b"), "refused"],
  [own, uri("spiffe://acme.mesh/ns/a/sa/b"), "refused"],
  [own, uri("urn:east.acme.mesh"), "refused"],
  [own, dns("east.acme.mesh"), "taken"],
  [own, dns("probe.east.acme.mesh"), "taken"],
  [own, dns("*.east.acme.mesh"), "taken"],
  [own, dns("EAST.acme.mesh"), "taken"],
  [own, dns("west.acme.mesh"), "refused"],
  [own, dns("fareast.acme.mesh"), "refused"],
  [own, dns("*.acme.mesh"), "refused"],
  [own, dns("evil.example.com"), "refused"],
  [own, dns(""), "refused"],
  [own, ip(10, 0, 0, 1), "refused"],
  [own, ip(...Array<number>(16).fill(1)), "refused"],
  [own, ip(1, 2, 3), "refused"],
  [own, email("a@east.acme.mesh"), "refused"],
  [own, email("a@x.east.acme.mesh"), "refused"],
  [own, email("a@example.com"), "refused"],
  [own, email("no mailbox"), "refused"],
  // A host with a dot means what is below it.
  [permitted(uri(".acme.mesh")), uri(cartId), "taken"],
  [permitted(uri(".east.acme.mesh")), uri(cartId), "refused"],
  [permitted(uri("east.acme.mesh")), uri("https://USER@EAST.acme.mesh:443/a"), "taken"],
  [permitted(uri("east.acme.mesh")), uri("https://east.acme.mesh@west.acme.mesh/"), "refused"],
  [permitted(uri("east.acme.mesh")), uri("https://[::1]/"), "refused"],
  [permitted(uri("east.acme.mesh"), uri("west.acme.mesh")), uri(westCartId), "taken"],
  // Kinds that a tree does not name are free in it.
  [permitted(uri("east.acme.mesh")), dns("evil.example.com"), "taken"],
  [excluded(dns("east.acme.mesh")), dns("x.east.acme.mesh"), "refused"],
  [excluded(dns("east.acme.mesh")), dns("*.acme.mesh"), "refused"],
  [excluded(dns("east.acme.mesh")), dns("west.acme.mesh"), "taken"],
  [excluded(dns("")), dns("any"), "refused"],
  [excluded(uri("east.acme.mesh")), uri("urn:x"), "refused"],
  [excluded(email("")), email("a@b"), "refused"],
  [excluded(email("a@b")), email("c@b"), "taken"],
  [permitted(email("a@b")), email("A@B"), "taken"],
  [permitted(ip(10, 0, 0, 0, 255, 0, 0, 0)), ip(10, 9, 8, 7), "taken"],
  [permitted(ip(10, 0, 0, 0, 255, 0, 0, 0)), ip(11, 9, 8, 7), "refused"],
  [permitted(ip(10, 0, 0, 0, 255, 0, 0, 0)), ip(...Array<number>(16).fill(10)), "refused"],
  // A base of an unknown kind might forbid anything.
  [permitted({ t: "other", tag: 0xa4 }), uri(cartId), "refused"],
];

for (const [constraints, name, expected] of cases) {
  const shown = name.t === "ip" ? name.bytes.toString("hex") : name.t === "other" ? "" : name.value;
  const rule = JSON.stringify(
    [constraints.permitted, constraints.excluded].map((bases) =>
      bases.map((base) =>
        base.t === "ip" ? base.bytes.toString("hex") : Object.values(base).join(":"),
      ),
    ),
  );
  test(`constraintBroken() has ${name.t}:${shown} ${expected} under ${rule}`, () => {
    const { certificate } = made.east;
    const extensions = {
      ...certificate.extensions,
      subjectAltName: { isCritical: true, names: [name] },
    };
    const broken = constraintBroken(constraints, { ...certificate, extensions });
    assert.equal(broken === undefined ? "taken" : "refused", expected);
  });
}

test("constraintBroken() binds a mail address in the subject like one in the names", async () => {
  const attribute = sequence(oid(oids.emailAddress), text(tag.ia5, "a@example.com"));
  const subject = sequence(der(tag.set, [attribute]));
  const leaf = await wishedLeaf({ issuer: made.east, subject });
  assert.match(constraintBroken(own, leaf) ?? "taken", /email:a@example.com/);
});

test("verifyPath() refuses each foreign name beside the right URI", async () => {
  for (const name of [uri(westCartId), dns("west.acme.mesh"), ip(10, 0, 0, 1), email("a@b.c")]) {
    const subjectAltName = { critical: true, value: names(uri(cartId), name) };
    const leaf = await wishedLeaf({ issuer: made.east, subjectAltName });
    const chain = [leaf, made.east.certificate];
    const verdict = verifyPath(chain, { roots: made.bundle.roots, atMs: nowMs });
    assert.equal(verdict.t, "refused", name.t);
  }
});

test("verifyPath() applies constraints to what lies two issuers below", async () => {
  const nameConstraints = constraintsPart({ permitted: [uri("west.acme.mesh")] });
  const basicConstraints = { critical: true, value: sequence(der(tag.boolean, "\xff")) };
  const middle = await wishedIssuer({ issuer: made.root, nameConstraints, basicConstraints });
  const below = await wishedIssuer({ issuer: middle });
  const leaf = await wishedLeaf({ issuer: below });
  const chain = [leaf, below.certificate, middle.certificate];
  const verdict = verifyPath(chain, { roots: made.bundle.roots, atMs: nowMs });
  assert.match(verdict.t === "refused" ? verdict.reason : "taken", /not permitted/);
});
