import assert from "node:assert/strict";
import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { trustDomainOf } from "../../../src/mesh/ids.ts";
import type { Secret } from "../../../src/mesh/secret.ts";
import { signCharter, type TrustedCharter } from "../../../src/trust/charter.ts";
import { loadIssuer, saveIssuer } from "../../../src/trust/io/issuer-files.ts";
import { holdIssuer, type MemberIssuer } from "../../../src/trust/io/member-issuer.ts";
import { saveFile } from "../../../src/trust/io/safe-files.ts";
import { privateKeyPemOf } from "../../../src/trust/keys.ts";
import { toPem } from "../../../src/trust/pem.ts";
import { east, type MadeAuthority, madeMember, madeMesh, mesh, nowMs } from "../made.ts";

const made = await madeMesh();
const refusal = { code: "MESH_TRUST_ISSUE_REFUSED" };
const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };

async function memberDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-issuer-"));
  t.after(() => rm(dir, { recursive: true }));
  await saveFile(join(dir, "member.key"), keyOf(made.east));
  await saveFile(join(dir, "member.pem"), toPem("CERTIFICATE", made.east.certificate.der));
  return dir;
}

function keyOf({ key }: MadeAuthority): Secret {
  return privateKeyPemOf(key);
}

/** A charter that lists these issuers of east. */
async function charterOf(...issuers: readonly MadeAuthority[]): Promise<TrustedCharter> {
  const { charter } = made.charter;
  const listed = issuers.map(({ signer }) => signer.keyId);
  const members = charter.members.map((one) =>
    one.name === east ? { ...one, issuers: listed } : one,
  );
  return await signCharter({ ...charter, members, number: charter.number + 1 }, made.root.signer);
}

async function held(dir: string, charter: TrustedCharter): Promise<MemberIssuer> {
  const trustDomain = trustDomainOf(east, mesh);
  const first = await loadIssuer(dir);
  return holdIssuer({ dir, first, trustDomain, charter: () => charter, clock });
}

test("adopt() signs with the next issuer at once and after a restart", async (t) => {
  const dir = await memberDir(t);
  const next = await madeMember(made.root, { member: east });
  const issuer = await held(dir, await charterOf(made.east, next));
  const seen: string[] = [];
  issuer.onChange(({ signer }) => seen.push(signer.keyId));
  await issuer.adopt({ chain: [next.certificate], keyPem: keyOf(next) });
  assert.deepEqual(seen, [next.signer.keyId]);
  assert.equal(issuer.current().signer.keyId, next.signer.keyId);
  assert.equal((await loadIssuer(dir)).signer.keyId, next.signer.keyId);
  assert.deepEqual((await readdir(dir)).sort(), ["member.key", "member.pem"]);
});

test("adopt() takes a new certificate for the present key", async (t) => {
  const dir = await memberDir(t);
  const issuer = await held(dir, await charterOf(made.east));
  const { key, signer } = made.east;
  const later = { ...(await madeMember(made.root, { member: east })), key, signer };
  await assert.rejects(issuer.adopt({ chain: [later.certificate] }), refusal);
  await issuer.adopt({ chain: [made.east.certificate] });
  assert.equal((await loadIssuer(dir)).signer.keyId, signer.keyId);
});

test("adopt() keeps the present issuer when the next one is unlisted, another's, a stranger's or a liar's", async (t) => {
  const dir = await memberDir(t);
  const next = await madeMember(made.root, { member: east });
  const stranger = (await madeMesh()).east;
  const wrong: readonly (readonly [string, TrustedCharter, MadeAuthority, Secret])[] = [
    ["unlisted", await charterOf(made.east), next, keyOf(next)],
    ["another member's", await charterOf(made.east), made.west, keyOf(made.west)],
    ["of another root", await charterOf(made.east, stranger), stranger, keyOf(stranger)],
    ["with another key", await charterOf(made.east, next), next, keyOf(stranger)],
  ];
  for (const [what, charter, one, keyPem] of wrong) {
    const issuer = await held(dir, charter);
    const adopting = issuer.adopt({ chain: [one.certificate], keyPem });
    await assert.rejects(adopting, refusal, what);
    assert.equal(issuer.current().signer.keyId, made.east.signer.keyId, what);
    assert.equal((await loadIssuer(dir)).signer.keyId, made.east.signer.keyId, what);
  }
});

test("loadIssuer() finds a whole pair at each instant of a replacement, and the next one goes on from there", async (t) => {
  const next = await madeMember(made.root, { member: east });
  const pem = toPem("CERTIFICATE", next.certificate.der);
  const steps: readonly ((dir: string) => Promise<void>)[] = [
    (dir) => saveFile(join(dir, "member.next.key"), keyOf(next)),
    (dir) => saveFile(join(dir, "member.pem"), pem),
    async (dir) => await copyFile(join(dir, "member.next.key"), join(dir, "member.key")),
  ];
  const expected = [made.east, next, next].map(({ signer }) => signer.keyId);
  for (const [done, keyId] of expected.entries()) {
    const dir = await memberDir(t);
    for (const step of steps.slice(0, done + 1)) await step(dir);
    assert.equal((await loadIssuer(dir)).signer.keyId, keyId);
    const third = await madeMember(made.root, { member: east });
    await saveIssuer(dir, { chain: [third.certificate], keyPem: keyOf(third) });
    assert.equal((await loadIssuer(dir)).signer.keyId, third.signer.keyId);
    assert.deepEqual((await readdir(dir)).sort(), ["member.key", "member.pem"]);
  }
});

test("loadIssuer() refuses a key that fits nothing", async (t) => {
  const dir = await memberDir(t);
  await saveFile(join(dir, "member.key"), keyOf(made.west));
  await assert.rejects(loadIssuer(dir), { code: "MESH_TRUST_IDENTITY_REFUSED" });
});
