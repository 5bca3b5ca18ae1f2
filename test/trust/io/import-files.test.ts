import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { exceptionFindings } from "../../../src/app/agent/federation/exception-findings.ts";
import { parseNetworkName, trustDomainOf } from "../../../src/mesh/ids.ts";
import { isTrue, sequence, smallInteger } from "../../../src/trust/der.ts";
import {
  memberConstraints,
  writeGeneralName,
  writeNameConstraints,
} from "../../../src/trust/general-name.ts";
import { loadIdentity } from "../../../src/trust/io/identity-store.ts";
import { importMember, importRoot } from "../../../src/trust/io/import-files.ts";
import { loadMember, loadRoot } from "../../../src/trust/io/member-files.ts";
import { newPrivateKey } from "../../../src/trust/io/new-key.ts";
import { saveFile } from "../../../src/trust/io/safe-files.ts";
import { initTrust, issueMember, issueWorkload } from "../../../src/trust/io/trust-files.ts";
import { privateKeyPemOf } from "../../../src/trust/keys.ts";
import { toPem } from "../../../src/trust/pem.ts";
import {
  east,
  type MadeAuthority,
  madeRoot,
  mesh,
  nowMs,
  type Wish,
  west,
  wishedIssuer,
} from "../made.ts";

const refusal = { code: "MESH_TRUST_ISSUE_REFUSED" };
const trustDomain = trustDomainOf(east, mesh);
const exception = "the company's CA has no name constraints";
const claims = {
  name: east,
  cloud: "aws",
  region: "r",
  network: parseNetworkName(east),
  gatewayRanges: [],
  mayExport: ["*"],
};

async function home(t: TestContext): Promise<(name: string) => string> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-import-"));
  t.after(() => rm(dir, { recursive: true }));
  return (name) => join(dir, name);
}

async function written(
  at: (name: string) => string,
  chain: readonly MadeAuthority[],
): Promise<{ readonly chainFile: string; readonly keyFile: string }> {
  const files = { chainFile: at("given.pem"), keyFile: at("given.key") };
  const pem = chain.map(({ certificate }) => toPem("CERTIFICATE", certificate.der)).join("");
  await saveFile(files.chainFile, pem);
  const [first] = chain;
  assert.ok(first);
  await saveFile(files.keyFile, privateKeyPemOf(first.key));
  return files;
}

const ca = (pathLength?: number): Wish["basicConstraints"] => ({
  critical: true,
  value: sequence(isTrue(), ...(pathLength === undefined ? [] : [smallInteger(pathLength)])),
});

/** A company's root, with a CA below it. */
async function company(): Promise<{
  readonly root: MadeAuthority;
  readonly middle: MadeAuthority;
}> {
  const root = await madeRoot();
  const plain = { nameConstraints: undefined, subjectAltName: undefined };
  const middle = await wishedIssuer({ issuer: root, ...plain, basicConstraints: ca(1) });
  return { root, middle };
}

/** What the company's CA certifies for a member, as we ask for it or otherwise. */
async function issuerBelow(
  issuer: MadeAuthority,
  change: Partial<Wish> = {},
): Promise<MadeAuthority> {
  return await wishedIssuer({
    issuer,
    basicConstraints: ca(0),
    nameConstraints: {
      critical: true,
      value: writeNameConstraints(memberConstraints(trustDomain)),
    },
    subjectAltName: {
      value: sequence(writeGeneralName({ t: "uri", value: `spiffe://${trustDomain}` })),
    },
    ...change,
  });
}

test("importRoot() makes a mesh of a company's root, once the charter says why it is unconstrained", async (t) => {
  const at = await home(t);
  const { root } = await company();
  const given = { ...(await written(at, [root])), mesh, dir: at("root"), nowMs };
  await assert.rejects(importRoot({ ...given, exception: undefined }), refusal);
  await assert.rejects(readdir(at("root")), { code: "ENOENT" });
  assert.equal((await importRoot({ ...given, exception })).exception, exception);
  const { charter } = (await loadRoot(at("root"))).charter;
  assert.equal(charter.exceptions?.[0]?.sha256, root.certificate.sha256);
  assert.match(exceptionFindings(charter)[0]?.message ?? "", /no name constraints/);
  // It issues as one of ours does, and the charter goes on saying it.
  await issueMember({ dir: at("root"), out: at("east"), claims, nowMs });
  const member = await loadMember(at("east"));
  assert.equal(member.charter.charter.exceptions?.length, 1);
});

test("importRoot() refuses a key that is not its own, what is no root, and one that has ended", async (t) => {
  const at = await home(t);
  const root = await madeRoot();
  const other = { ...root, key: newPrivateKey() };
  const options = { mesh, dir: at("root"), exception };
  const files = await written(at, [other]);
  await assert.rejects(importRoot({ ...files, ...options, nowMs }), refusal);
  const good = await written(at, [root]);
  await assert.rejects(importRoot({ ...good, ...options, nowMs: nowMs + 4e11 }), refusal);
  const { middle } = await company();
  const notRoot = await written(at, [middle]);
  await assert.rejects(importRoot({ ...notRoot, ...options, nowMs }), {
    code: "MESH_TRUST_CHAIN_REFUSED",
  });
});

test("importMember() enters an issuer under a company's CA, whose identities then hold everywhere", async (t) => {
  const at = await home(t);
  await initTrust({ dir: at("root"), mesh, nowMs });
  const { root, middle } = await company();
  const issuer = await issuerBelow(middle);
  const given = {
    ...(await written(at, [issuer, middle, root])),
    dir: at("root"),
    out: at("east"),
  };
  const options = { ...given, claims, renew: false, nowMs };
  await assert.rejects(importMember({ ...options, exception: undefined }), refusal);
  await importMember({ ...options, exception });
  const member = await loadMember(at("east"));
  assert.equal(member.issuer.above?.length, 1);
  assert.equal(member.bundle.roots.length, 2);
  const account = { namespace: "shop", serviceAccount: "cart" };
  await issueWorkload({ dir: at("east"), out: at("cart"), account, nowMs });
  // Loading verifies the chain over the company's CA to its root.
  assert.equal((await loadIdentity(at("cart"))).id, `spiffe://${trustDomain}/ns/shop/sa/cart`);
});

test("importMember() refuses issuers that are not bound to their member, with what they lack", async (t) => {
  const at = await home(t);
  await initTrust({ dir: at("root"), mesh, nowMs });
  const { root, middle } = await company();
  const others = writeNameConstraints(memberConstraints(trustDomainOf(west, mesh)));
  const wrong: readonly (readonly [string, Partial<Wish>])[] = [
    ["as SPIRE makes it, without name constraints", { nameConstraints: undefined }],
    ["another member's", { nameConstraints: { critical: true, value: others } }],
    ["without path length", { basicConstraints: ca() }],
    ["not for signing certificates", { keyUsage: undefined }],
  ];
  for (const [what, change] of wrong) {
    const issuer = await issuerBelow(middle, change);
    const files = await written(at, [issuer, middle, root]);
    const options = { ...files, dir: at("root"), out: at("east"), claims, renew: false, nowMs };
    await assert.rejects(importMember({ ...options, exception }), refusal, what);
  }
  // Its authority may not sign what it signed.
  const flat = await wishedIssuer({
    issuer: root,
    nameConstraints: undefined,
    subjectAltName: undefined,
    basicConstraints: ca(0),
  });
  const below = await written(at, [await issuerBelow(flat), flat, root]);
  const options = { ...below, dir: at("root"), out: at("east"), claims, renew: false, nowMs };
  await assert.rejects(importMember({ ...options, exception }), refusal);
  assert.equal((await loadRoot(at("root"))).charter.charter.number, 1);
});
