// An agent's own port takes issuers whose root is retired, by the key that the charter lists. Whoever has such a key
// writes the rest of that certificate himself.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Charter, CharterMember } from "../../src/mesh/charter.ts";
import { parseSpiffeId } from "../../src/mesh/ids.ts";
import { bundleOf } from "../../src/trust/bundle.ts";
import { issueIntermediate, issueSvid } from "../../src/trust/issue.ts";
import { spkiOf } from "../../src/trust/keys.ts";
import { createVerifier } from "../../src/trust/verifier.ts";
import {
  east,
  type MadeAuthority,
  madeMember,
  madeRoot,
  memberEntry,
  mesh,
  nowMs,
  west,
  wishedIssuer,
} from "./made.ts";

const dayMs = 86_400_000;
const agent = parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent");
const retired = await madeRoot(nowMs - 30 * dayMs);
const present = await madeRoot();
const forged = await madeRoot();
const stolen = await madeMember(retired, { member: east, atMs: nowMs - 20 * dayMs });
const last = await madeMember(retired, { member: east, atMs: nowMs - 10 * dayMs });
const other = await madeMember(present, { member: west });

const entry: CharterMember = {
  ...memberEntry(east, last),
  issuers: [stolen.signer.keyId, last.signer.keyId],
  issuersEndMs: last.certificate.notAfterMs,
};
const charter: Charter = {
  schema: 1,
  mesh,
  number: 9,
  members: [entry, memberEntry(west, other)],
  bundle: [present.certificate.der.toString("base64")],
  rotationStep: "idle",
  operators: [],
  timeMs: nowMs,
};

async function verdict(
  issuer: MadeAuthority,
  { member = entry, id = agent, atMs = nowMs } = {},
): Promise<string> {
  const bundle = bundleOf([present.certificate.der]);
  const members = [member, ...charter.members.slice(1)];
  const { verifyCaller, verifyPeer } = createVerifier({
    mesh,
    bundle: () => bundle,
    charter: () => ({ ...charter, members }),
  });
  const leaf = await issueSvid({ issuer, id, spki: spkiOf(issuer.key), nowMs: atMs });
  const chain = [leaf.der, issuer.certificate.der];
  assert.equal(verifyPeer(chain, { nowMs: atMs }).t, "refused");
  return verifyCaller(chain, { nowMs: atMs }).t;
}

/** Another certificate around a key that somebody has, by a root that he made. */
async function rewritten(
  { key, signer }: MadeAuthority,
  { member = east, atMs = nowMs } = {},
): Promise<MadeAuthority> {
  const spki = spkiOf(key);
  const certificate = await issueIntermediate({ root: forged, member, mesh, spki, nowMs: atMs });
  return { key, signer, certificate };
}

test("verifyCaller() takes the last issuer of a member whose root is retired", async () => {
  assert.equal(await verdict(last), "ok");
});

test("verifyCaller() takes no earlier one, as it is or in a certificate that its holder wrote", async () => {
  assert.equal(await verdict(stolen), "refused");
  assert.equal(await verdict(await rewritten(stolen)), "refused");
});

test("verifyCaller() takes the last one no longer than the charter says, whatever its certificate says", async () => {
  const late = last.certificate.notAfterMs + 1000;
  const renewed = await rewritten(last, { atMs: late });
  assert.equal(await verdict(renewed, { atMs: late }), "refused");
  const { issuersEndMs: _, ...unknown } = entry;
  assert.equal(await verdict(last, { member: unknown }), "refused");
});

test("verifyCaller() takes no key for another member's, and none of a denied member", async () => {
  const asWest = await rewritten(last, { member: west });
  const id = parseSpiffeId("spiffe://west.acme.mesh/isthmus/agent");
  assert.equal(await verdict(asWest, { id }), "refused");
  assert.equal(await verdict(last, { member: { ...entry, state: "denied" } }), "refused");
});

test("verifyCaller() takes no certificate that is bound to nobody", async () => {
  const { key } = last;
  const unbound = await wishedIssuer({ issuer: forged, key, nameConstraints: undefined });
  const leaf = await issueSvid({
    issuer: last,
    id: agent,
    spki: spkiOf(last.key),
    nowMs,
  });
  const bundle = bundleOf([present.certificate.der]);
  const { verifyCaller } = createVerifier({ mesh, bundle: () => bundle, charter: () => charter });
  const chain = [leaf.der, unbound.certificate.der];
  assert.equal(verifyCaller(chain, { nowMs }).t, "refused");
});
