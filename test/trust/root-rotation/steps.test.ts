import assert from "node:assert/strict";
import { test } from "node:test";
import type { Charter } from "../../../src/mesh/charter.ts";
import { MeshError } from "../../../src/mesh/errors.ts";
import { parseMemberName } from "../../../src/mesh/ids.ts";
import { encodeCharter, parseCharter } from "../../../src/trust/charter-codec.ts";
import { crossCertify } from "../../../src/trust/root-rotation/cross-certify.ts";
import { charterSignerOf, issuingRootOf } from "../../../src/trust/root-rotation/issuing-root.ts";
import { judgeReadiness, type MemberWord } from "../../../src/trust/root-rotation/readiness.ts";
import {
  abortRotation,
  activateRoot,
  drainRoot,
  endRotation,
  publishRoot,
  retireRoot,
  waiveMembers,
} from "../../../src/trust/root-rotation/steps.ts";
import { declareSuccessor } from "../../../src/trust/root-rotation/succession.ts";
import { east, madeMesh, madeRoot, mesh, nowMs, west } from "../made.ts";

const made = await madeMesh();
const next = await madeRoot();
const cross = await crossCertify({ by: made.root, root: next.certificate, nowMs });
const from = made.root.signer.keyId;
const to = next.signer.keyId;
const first = made.charter.charter;
const published = publishRoot(first, { from, next: next.certificate, cross, nowMs });
const active = activateRoot(published, nowMs);
const draining = drainRoot(active, nowMs);
const succession = await declareSuccessor({
  by: made.root.signer,
  root: next.certificate,
  mesh,
});
const retiring = retireRoot(draining, { succession, isEmergency: false, nowMs });
const ended = endRotation(retiring, nowMs);

function refused(use: () => unknown): void {
  assert.throws(
    use,
    (thrown) => thrown instanceof MeshError && thrown.code === "MESH_TRUST_ROTATION_REFUSED",
  );
}

test("a rotation trusts both roots from its first step to the one that retires the old", () => {
  const roots = [first, published, active, draining, retiring, ended].map(
    ({ bundle }) => bundle.length,
  );
  assert.deepEqual(roots, [1, 2, 2, 2, 1, 1]);
  assert.deepEqual(ended.bundle, [next.certificate.der.toString("base64")]);
  assert.deepEqual([ended.rotationStep, ended.rotation], ["idle", undefined]);
  assert.equal(ended.number, first.number + 5);
});

test("issuers come under the new root from activation on, charters when the old one is retired", () => {
  const all = [published, active, draining, retiring];
  assert.deepEqual(
    all.map((charter) => issuingRootOf(charter)?.spkiSha256),
    [from, to, to, to],
  );
  assert.deepEqual(
    all.map((charter) => issuingRootOf(charter)?.above.length),
    [0, 1, 1, 0],
  );
  assert.deepEqual(all.map(charterSignerOf), [from, from, from, to]);
});

test("each step leaves a charter alone that has taken it", () => {
  assert.equal(publishRoot(published, { from, next: next.certificate, cross, nowMs }), published);
  assert.equal(activateRoot(draining, nowMs), draining);
  assert.equal(drainRoot(retiring, nowMs), retiring);
  assert.equal(retireRoot(retiring, { succession, isEmergency: false, nowMs }), retiring);
  assert.equal(endRotation(ended, nowMs), ended);
  assert.equal(abortRotation(first, nowMs), first);
});

test("a step out of order is refused", async () => {
  const other = await madeRoot();
  const another = { from, next: other.certificate, cross, nowMs };
  refused(() => activateRoot(first, nowMs));
  refused(() => drainRoot(published, nowMs));
  refused(() => retireRoot(active, { succession, isEmergency: false, nowMs }));
  refused(() => endRotation(draining, nowMs));
  refused(() => abortRotation(retiring, nowMs));
  refused(() => publishRoot(active, another));
  refused(() => publishRoot(first, { ...another, from: other.signer.keyId }));
  refused(() => publishRoot(first, { from, next: made.root.certificate, cross, nowMs }));
});

test("an abort before activation takes the new root back, and later turns the rotation round", () => {
  assert.deepEqual(abortRotation(published, nowMs).bundle, first.bundle);
  const undone = abortRotation(draining, nowMs);
  assert.equal(undone.rotationStep, "draining");
  assert.equal(undone.bundle.length, 2);
  assert.deepEqual([undone.rotation?.from, undone.rotation?.to], [to, from]);
  assert.deepEqual([issuingRootOf(undone)?.spkiSha256, charterSignerOf(undone)], [from, from]);
  assert.equal(abortRotation(undone, nowMs), undone);
  const gone = retireRoot(undone, { succession: undefined, isEmergency: false, nowMs });
  assert.deepEqual(gone.bundle, first.bundle);
  assert.equal(endRotation(gone, nowMs).succession, undefined);
});

test("an emergency retires from any step, and does not keep a root whose key may be in other hands", () => {
  const emergency = retireRoot(active, { succession, isEmergency: true, nowMs });
  assert.deepEqual(emergency.bundle, [next.certificate.der.toString("base64")]);
  assert.equal(emergency.succession?.[0]?.retired, undefined);
  assert.equal(retiring.succession?.[0]?.retired, made.root.certificate.der.toString("base64"));
});

test("a charter keeps its rotation and its succession on the way through its bytes", () => {
  for (const charter of [published, draining, retiring, ended]) {
    assert.deepEqual(parseCharter(encodeCharter(charter)), charter);
  }
});

test("waiveMembers() names members once, and none that the charter does not have", () => {
  const waived = waiveMembers(draining, { names: [west, west], nowMs });
  assert.deepEqual(waived.rotation?.waived, [west]);
  assert.equal(waiveMembers(waived, { names: [west], nowMs }), waived);
  assert.throws(
    () => waiveMembers(draining, { names: [parseMemberName("north")], nowMs }),
    (thrown) => thrown instanceof MeshError && thrown.code === "MESH_NOT_FOUND",
  );
});

const digest = "d".repeat(64);
const done: MemberWord = {
  isLive: true,
  charter: draining.number,
  bundleDigest: digest,
  issuerRoot: to,
  proxies: { connected: 3, acknowledged: 3, silent: 0, old: 0, late: [] },
};
const lacking = (change: object): MemberWord => ({
  ...done,
  proxies: { connected: 3, acknowledged: 3, silent: 0, old: 0, late: [], ...change },
});

function missingAt(charter: Charter, word: MemberWord | undefined): readonly string[] {
  const { missing } = judgeReadiness({
    charter,
    bundleDigest: digest,
    wordOf: (name) => (name === west ? word : { ...done, charter: charter.number }),
  });
  assert.ok(missing.every(({ member }) => member === west));
  return missing.flatMap(({ reasons }) => reasons);
}

for (const [claim, word, reason] of [
  ["was never heard of", undefined, /nothing was ever heard/],
  ["is silent", { ...done, isLive: false }, /silent/],
  ["is of an older version", { ...done, charter: undefined, proxies: undefined }, /version/],
  ["has an older charter", { ...done, charter: 1 }, /has charter 1/],
  ["publishes other roots", { ...done, bundleDigest: "e".repeat(64) }, /other roots/],
  ["issues under the old root", { ...done, issuerRoot: from }, /under the old root/],
  ["has a proxy that did not answer", lacking({ acknowledged: 2, late: ["a"] }), /1 of 3.*\(a\)/],
  ["has a proxy on an old certificate", lacking({ old: 1 }), /1 proxy on the old root/],
  ["has a sidecar that is away", lacking({ silent: 2 }), /2 proxies not connected/],
] as const) {
  test(`judgeReadiness() names a member that ${claim}`, () => {
    assert.match(missingAt(draining, word).join(), reason);
  });
}

test("judgeReadiness() asks for issuers and certificates from activation on only", () => {
  const old = { ...lacking({ old: 3 }), issuerRoot: from, charter: published.number };
  assert.deepEqual(missingAt(published, old), []);
  assert.deepEqual(missingAt(draining, done), []);
});

test("judgeReadiness() waits for no member that is waived, and for none that is denied", () => {
  const judge = (charter: Charter): ReturnType<typeof judgeReadiness> =>
    judgeReadiness({ charter, bundleDigest: digest, wordOf: () => undefined });
  const waived = judge(waiveMembers(draining, { names: [east, west], nowMs }));
  assert.equal(waived.isReady, true);
  assert.deepEqual(
    waived.missing.map(({ isWaived }) => isWaived),
    [true, true],
  );
  const members = draining.members.map((one) => ({ ...one, state: "denied" as const }));
  assert.deepEqual(judge({ ...draining, members }).missing, []);
  assert.equal(judge(draining).isReady, false);
});
