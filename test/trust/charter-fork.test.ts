// Two charters that were made from one, by two who did not know of each other: nobody is dropped by it, and nobody
// who was denied is back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Charter, charterMember } from "../../src/mesh/charter.ts";
import { parseMemberName } from "../../src/mesh/ids.ts";
import { judgeCharter, signCharter } from "../../src/trust/charter.ts";
import { encodeCharter, parseCharter } from "../../src/trust/charter-codec.ts";
import { withMember, withoutDenial, withStanding } from "../../src/trust/charter-edit.ts";
import { east, madeMember, madeMesh, memberEntry, nowMs, west } from "./made.ts";

const made = await madeMesh();
const first = made.charter.charter;
const north = parseMemberName("north");
const south = parseMemberName("south");
const dayMs = 86_400_000;

async function joined(charter: Charter, name: typeof north, atMs = nowMs): Promise<Charter> {
  const issuer = await madeMember(made.root, { member: name, atMs });
  const { issuers: _, state: __, ...claims } = memberEntry(name, issuer);
  return withMember(charter, {
    claims,
    issuerSpkiSha256: issuer.signer.keyId,
    issuerEndsMs: issuer.certificate.notAfterMs,
    renew: false,
    nowMs: atMs,
  });
}

async function verdict(ours: Charter, theirs: Charter): Promise<string> {
  const current = await signCharter(ours, made.root.signer);
  const { signed } = await signCharter(theirs, made.root.signer);
  return judgeCharter(signed, current).t;
}

test("judgeCharter() follows no later charter that lacks a member of ours", async () => {
  const ours = await joined(first, north);
  const theirs = await joined(first, south);
  assert.equal(await verdict(ours, theirs), "conflict");
  const later = withStanding(theirs, { name: west, state: "leaving", nowMs });
  assert.equal(later.number, ours.number + 1);
  assert.equal(await verdict(ours, later), "conflict");
  assert.equal(
    await verdict(ours, withStanding(ours, { name: west, state: "leaving", nowMs })),
    "newer",
  );
});

test("judgeCharter() follows a later charter as soon as it has the member again", async () => {
  const ours = await joined(first, north);
  const healed = await joined(await joined(first, south), north);
  assert.equal(await verdict(ours, healed), "newer");
});

test("judgeCharter() follows no later charter in which a denied member is back, until its name is another's", async () => {
  const ours = withStanding(first, { name: west, state: "denied", nowMs });
  const theirs = await joined(await joined(first, north), south);
  assert.equal(await verdict(ours, theirs), "conflict");
  const denied = withStanding(theirs, { name: west, state: "denied", nowMs });
  assert.equal(await verdict(ours, denied), "newer");

  const members = ours.members.map((one) => ({ ...one, issuersEndMs: nowMs + dayMs }));
  const reused = await joined({ ...ours, members }, west, nowMs + 2 * dayMs);
  assert.equal(await verdict(ours, reused), "newer");
  assert.equal(
    reused.members.some(({ name }) => name === east),
    true,
  );
});

test("judgeCharter() follows a charter that takes a denial back knowingly, however many it missed", async () => {
  const denied = withStanding(first, { name: west, state: "denied", nowMs });
  const back = parseCharter(encodeCharter(withoutDenial(denied, { name: west, nowMs })));
  assert.equal(await verdict(denied, back), "newer");
  const later = withStanding(await joined(back, north), { name: east, state: "leaving", nowMs });
  assert.equal(await verdict(denied, later), "newer");
  assert.equal(charterMember(later, west)?.state, "active");
  // Denied again: who does not know of the second denial does not undo it by the first one's end.
  const again = withStanding(back, { name: west, state: "denied", nowMs });
  assert.equal(await verdict(again, later), "conflict");
  const issuer = await madeMember(made.root, { member: west });
  const { issuers: _, state: __, readmitted: ___, ...claims } = memberEntry(west, issuer);
  const renewed = withMember(back, {
    claims,
    issuerSpkiSha256: issuer.signer.keyId,
    issuerEndsMs: nowMs + dayMs,
    renew: true,
    nowMs,
  });
  assert.equal(await verdict(denied, renewed), "newer");
});
