import assert from "node:assert/strict";
import { test } from "node:test";
import { isTrue, sequence, smallInteger } from "../../src/trust/der.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { signerOf } from "../../src/trust/signer.ts";
import { subjectOf } from "../../src/trust/template.ts";
import { verifyPath } from "../../src/trust/verify.ts";
import {
  cartId,
  east,
  madeMember,
  madeMesh,
  madeRoot,
  madeSvid,
  nowMs,
  wishedIssuer,
  wishedLeaf,
} from "./made.ts";

const made = await madeMesh();
const roots = made.bundle.roots;
const { leaf } = await madeSvid(made.east);
const caOf = (pathLength?: number): { critical: true; value: ReturnType<typeof sequence> } => ({
  critical: true,
  value: sequence(isTrue(), ...(pathLength === undefined ? [] : [smallInteger(pathLength)])),
});

function reasonFor(chain: Parameters<typeof verifyPath>[0], atMs: number = nowMs): string {
  const verdict = verifyPath(chain, { roots, atMs });
  return verdict.t === "refused" ? verdict.reason : "taken";
}

test("verifyPath() gives the path from leaf over issuer to root", () => {
  const verdict = verifyPath([leaf, made.east.certificate], { roots, atMs: nowMs });
  assert.ok(verdict.t === "ok");
  assert.equal(verdict.path.id, cartId);
  assert.equal(verdict.path.issuer, made.east.certificate);
  assert.deepEqual(
    verdict.path.certificates.map((one) => one.sha256),
    [leaf, made.east.certificate, made.root.certificate].map((one) => one.sha256),
  );
});

test("verifyPath() finds the path in a shuffled chain with strangers in it", () => {
  const chain = [leaf, made.root.certificate, made.west.certificate, made.east.certificate];
  assert.equal(reasonFor(chain), "taken");
});

test("verifyPath() refuses an empty chain, a lone leaf and an issuer as leaf", () => {
  assert.match(reasonFor([]), /empty/);
  assert.match(reasonFor([leaf]), /no trusted root/);
  assert.match(reasonFor([made.east.certificate]), /is a CA/);
});

test("verifyPath() refuses a chain to another root of the same name", async () => {
  const other = await madeRoot();
  const member = await madeMember(other, { member: east });
  const foreign = await madeSvid(member);
  assert.match(reasonFor([foreign.leaf, member.certificate]), /no trusted root/);
});

test("verifyPath() refuses a leaf that only names its issuer", async () => {
  const forger = { certificate: made.east.certificate, signer: signerOf(newPrivateKey()) };
  const forged = await wishedLeaf({ issuer: forger });
  assert.match(reasonFor([forged, made.east.certificate]), /signature/);
});

test("verifyPath() judges the leaf's time to the millisecond", () => {
  const chain = [leaf, made.east.certificate];
  assert.equal(reasonFor(chain, leaf.notBeforeMs), "taken");
  assert.equal(reasonFor(chain, leaf.notAfterMs), "taken");
  assert.match(reasonFor(chain, leaf.notBeforeMs - 1), /not valid yet/);
  assert.match(reasonFor(chain, leaf.notAfterMs + 1), /expired/);
});

test("verifyPath() refuses an issuer below one of path length 0", async () => {
  const below = await wishedIssuer({ issuer: made.east });
  const deep = await wishedLeaf({ issuer: below });
  assert.match(reasonFor([deep, below.certificate, made.east.certificate]), /longer than/);
});

test("verifyPath() takes an issuer below one of path length 1", async () => {
  const middle = await wishedIssuer({ issuer: made.root, basicConstraints: caOf(1) });
  const below = await wishedIssuer({ issuer: middle });
  const deep = await wishedLeaf({ issuer: below });
  assert.equal(reasonFor([deep, below.certificate, middle.certificate]), "taken");
});

test("verifyPath() climbs a cross-certificate while the peer has the old root only", async () => {
  const next = await madeRoot();
  const issuer = await wishedIssuer({ issuer: next });
  const fresh = await wishedLeaf({ issuer });
  const cross = await wishedIssuer({
    issuer: made.root,
    key: next.key,
    subject: subjectOf(next.certificate),
    basicConstraints: caOf(),
    nameConstraints: undefined,
  });
  const chain = [fresh, issuer.certificate, cross.certificate];
  assert.equal(reasonFor(chain), "taken");
  const both = { roots: [next.certificate], atMs: nowMs };
  assert.equal(verifyPath(chain, both).t, "ok");
  assert.match(reasonFor([fresh, issuer.certificate]), /no trusted root/);
});

test("verifyPath() gives up after 64 signature checks", () => {
  // Issuers of one name and one key id that differ in their keys: each might be the one.
  const stranger = { ...made.east.certificate, publicKey: made.west.certificate.publicKey };
  const pool = (size: number): readonly (typeof stranger)[] =>
    Array.from({ length: size }, (_, index) => ({ ...stranger, spkiSha256: `${index}` }));
  assert.match(reasonFor([leaf, ...pool(64)]), /signature is wrong/);
  assert.match(reasonFor([leaf, ...pool(65)]), /too many signature checks/);
  assert.match(reasonFor([leaf, ...pool(64), made.east.certificate]), /too many signature checks/);
});
