import assert from "node:assert/strict";
import { chmod, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";
import { parseMemberName } from "../../../src/mesh/ids.ts";
import { signCharter } from "../../../src/trust/charter.ts";
import type { MemberClaims } from "../../../src/trust/charter-edit.ts";
import { describeFiles } from "../../../src/trust/io/describe-files.ts";
import { loadIdentity } from "../../../src/trust/io/identity-store.ts";
import {
  charterWrites,
  loadMember,
  loadRoot,
  saveCharter,
} from "../../../src/trust/io/member-files.ts";
import {
  initTrust,
  issueGateway,
  issueMember,
  issueWorkload,
} from "../../../src/trust/io/trust-files.ts";
import { fromPem } from "../../../src/trust/pem.ts";
import { createVerifier } from "../../../src/trust/verifier.ts";
import { east, madeMesh, madeRoot, memberEntry, mesh, nowMs, west } from "../made.ts";
import { tempFolder } from "./folder.ts";

const {
  issuers: _issuers,
  state: _state,
  ...eastClaims
} = memberEntry(east, (await madeMesh()).east);
const claims: MemberClaims = eastClaims;
const account = { namespace: "shop", serviceAccount: "cart" };

interface Folders extends AsyncDisposable {
  readonly root: string;
  readonly east: string;
  readonly at: (name: string) => string;
}

/** A root and member east in a temporary folder. */
async function folders(): Promise<Folders> {
  const temp = await tempFolder();
  const at = (name: string): string => join(temp.path, name);
  await initTrust({ dir: at("root"), mesh, nowMs });
  await issueMember({ dir: at("root"), out: at("east"), claims, nowMs });
  return {
    root: at("root"),
    east: at("east"),
    at,
    [Symbol.asyncDispose]: temp[Symbol.asyncDispose],
  };
}

test("initTrust() and issueMember() write the files of the design, private ones 0600 in 0700", async () => {
  await using made = await folders();
  assert.deepEqual((await readdir(made.root)).sort(), [
    "bundle.pem",
    "charter.json",
    "root.key",
    "root.pem",
  ]);
  assert.deepEqual((await readdir(made.east)).sort(), [
    "bundle.pem",
    "charter.json",
    "member.key",
    "member.pem",
  ]);
  for (const [path, mode] of [
    [made.root, 0o700],
    [made.east, 0o700],
    [join(made.root, "root.key"), 0o600],
    [join(made.east, "member.key"), 0o600],
  ] as const) {
    assert.equal((await stat(path)).mode & 0o777, mode, path);
  }
});

test("issueMember() raises the charter's number and lists the issuer in both folders", async () => {
  await using made = await folders();
  const second = { ...claims, name: west };
  const issued = await issueMember({ dir: made.root, out: made.at("west"), claims: second, nowMs });
  assert.deepEqual([issued.member, issued.number], [west, 3]);
  const { charter } = await loadRoot(made.root);
  assert.deepEqual(
    charter.charter.members.map((one) => one.name),
    [east, west],
  );
  const member = await loadMember(made.at("west"));
  assert.deepEqual(member.charter.charter, charter.charter);
  assert.deepEqual(charter.charter.members[1]?.issuers, [member.issuer.signer.keyId]);
});

test("issueMember() refuses a taken name and changes nothing, unless it is a renewal", async () => {
  await using made = await folders();
  const before = await readFile(join(made.root, "charter.json"), "utf8");
  const again = { dir: made.root, out: made.at("again"), claims, nowMs };
  await assert.rejects(issueMember(again), { code: "MESH_TRUST_ISSUE_REFUSED" });
  assert.equal(await readFile(join(made.root, "charter.json"), "utf8"), before);
  assert.deepEqual((await readdir(made.at("."))).sort(), ["east", "root"]);
  assert.equal((await issueMember({ ...again, renew: true })).number, 3);
  const { charter } = await loadRoot(made.root);
  assert.equal(charter.charter.members[0]?.issuers.length, 2);
});

test("every issuing command refuses a folder that holds anything", async () => {
  await using made = await folders();
  const refusal = { code: "MESH_USAGE" };
  const used = { dir: made.east, out: made.east, nowMs };
  await assert.rejects(initTrust({ dir: made.root, mesh, nowMs }), refusal);
  await assert.rejects(issueMember({ dir: made.root, out: made.east, claims, nowMs }), refusal);
  await assert.rejects(issueGateway(used), refusal);
  await assert.rejects(issueWorkload({ ...used, account }), refusal);
  const file = join(made.east, "member.pem");
  await assert.rejects(issueGateway({ ...used, out: file }), refusal);
});

test("issueMember() refuses while another one is at work", async () => {
  await using made = await folders();
  await writeFile(join(made.root, ".lock"), "");
  const options = {
    dir: made.root,
    out: made.at("west"),
    claims: { ...claims, name: west },
    nowMs,
  };
  await assert.rejects(issueMember(options), { code: "MESH_USAGE" });
  await rm(join(made.root, ".lock"));
  await issueMember(options);
  assert.ok(!(await readdir(made.root)).includes(".lock"));
});

test("issueWorkload() and issueGateway() write SVIDs that peers take", async () => {
  await using made = await folders();
  const cart = await issueWorkload({ dir: made.east, out: made.at("cart"), account, nowMs });
  const gateway = await issueGateway({ dir: made.east, out: made.at("gateway"), nowMs });
  assert.equal(cart.id, "spiffe://east.acme.mesh/ns/shop/sa/cart");
  assert.equal(gateway.id, "spiffe://east.acme.mesh/isthmus/gateway");
  const { bundle, charter } = await loadMember(made.east);
  const { verifyPeer } = createVerifier({
    mesh,
    bundle: () => bundle,
    charter: () => charter.charter,
  });
  for (const dir of [cart.dir, gateway.dir]) {
    const identity = await loadIdentity(dir);
    const verdict = verifyPeer(fromPem("CERTIFICATE", identity.certChainPem), { nowMs });
    assert.ok(verdict.t === "ok");
    assert.equal(verdict.peer.id, identity.id);
  }
});

test("issueWorkload() refuses names that are no DNS labels", async () => {
  await using made = await folders();
  for (const wrong of ["", "a/b", "..", "%61"]) {
    const bad = { namespace: "shop", serviceAccount: wrong };
    const issuing = issueWorkload({ dir: made.east, out: made.at("bad"), account: bad, nowMs });
    await assert.rejects(issuing, { code: "MESH_ID_INVALID" }, wrong);
  }
});

test("loadMember() refuses a key that others can read, a linked key and another key", async () => {
  await using made = await folders();
  const key = join(made.east, "member.key");
  await chmod(key, 0o640);
  await assert.rejects(loadMember(made.east), { code: "MESH_TRUST_KEY_FILE_UNSAFE" });
  await rm(key);
  await symlink(join(made.root, "root.key"), key);
  await assert.rejects(loadMember(made.east), { code: "MESH_TRUST_KEY_FILE_UNSAFE" });
  await rm(key);
  await assert.rejects(loadMember(made.east), { code: "MESH_FILE_UNREADABLE" });
  const other = await readFile(join(made.root, "root.key"));
  await writeFile(key, other, { mode: 0o600 });
  await assert.rejects(loadMember(made.east), { code: "MESH_TRUST_IDENTITY_REFUSED" });
});

test("loadMember() refuses a charter that was changed by hand", async () => {
  await using made = await folders();
  const path = join(made.east, "charter.json");
  await writeFile(path, (await readFile(path, "utf8")).replace("us-east-1", "us-east-2"));
  await assert.rejects(loadMember(made.east), {
    code: "MESH_TRUST_CHARTER_REFUSED",
    message: `Cannot use "${path}": Cannot use charter: its signature is wrong`,
  });
});

test("saveCharter() keeps the newest charter for the next start", async () => {
  await using made = await folders();
  const second = { ...claims, name: west };
  await issueMember({ dir: made.root, out: made.at("west"), claims: second, nowMs });
  const { charter } = await loadRoot(made.root);
  await saveCharter(made.east, charter);
  assert.equal((await loadMember(made.east)).charter.charter.number, 3);
});

for (const [what, rootsOf] of [
  ["adds a root", (a: Uint8Array, b: Uint8Array) => [a, b]],
  ["is signed by a root that is on disk nowhere yet", (_: Uint8Array, b: Uint8Array) => [b]],
] as const) {
  test(`a crash between any two writes of a charter that ${what} leaves a folder that loads`, async () => {
    await using made = await folders();
    const { charter: old } = await loadMember(made.east);
    const added = await madeRoot();
    const bundle = rootsOf(old.bundle.roots[0]?.der ?? Buffer.alloc(0), added.certificate.der);
    const next = await signCharter(
      {
        ...old.charter,
        number: old.charter.number + 2,
        bundle: bundle.map((root) => Buffer.from(root).toString("base64")),
      },
      added.signer,
    );
    for (const { name, content } of charterWrites(old, next)) {
      await writeFile(join(made.east, name), String(content));
      const { charter, bundle: trusted } = await loadMember(made.east);
      const expected = charter.charter.number === next.charter.number ? next : old;
      assert.equal(trusted.digest, expected.bundle.digest);
    }
    assert.equal((await loadMember(made.east)).charter.charter.number, next.charter.number);
    const pem = await readFile(join(made.east, "bundle.pem"), "utf8");
    assert.equal(pem, next.bundle.pem);
  });
}

test("saveCharter() leaves the last of several charters that come at once, and nothing else", async () => {
  await using made = await folders();
  const numbers: number[] = [];
  const charters = [];
  for (const name of ["a", "b", "c"].map(parseMemberName)) {
    const out = made.at(name);
    numbers.push(
      (await issueMember({ dir: made.root, out, claims: { ...claims, name }, nowMs })).number,
    );
    charters.push((await loadRoot(made.root)).charter);
  }
  const before = (await readdir(made.east)).sort();
  await Promise.all(charters.map(async (charter) => await saveCharter(made.east, charter)));
  assert.equal((await loadMember(made.east)).charter.charter.number, numbers.at(-1));
  assert.deepEqual((await readdir(made.east)).sort(), before);
});

test("describeFiles() tells what each file is and shows no secret", async () => {
  await using made = await folders();
  await issueWorkload({ dir: made.east, out: made.at("cart"), account, nowMs });
  const shown = await describeFiles([made.root, made.east, made.at("cart"), made.at("nothing")]);
  const kinds = shown.map(({ file, content }) => [
    relative(made.at("."), file),
    ...content.map((one) => (one.t === "certificate" ? `${one.role} ${one.name}` : one.t)),
  ]);
  assert.deepEqual(kinds, [
    ["root/bundle.pem", "root Isthmus root"],
    ["root/charter.json", "charter"],
    ["root/root.key", "key"],
    ["root/root.pem", "root Isthmus root"],
    ["east/bundle.pem", "root Isthmus root"],
    ["east/charter.json", "charter"],
    ["east/member.key", "key"],
    ["east/member.pem", "issuer east.acme.mesh"],
    ["cart/bundle.pem", "root Isthmus root"],
    ["cart/svid.key", "key"],
    ["cart/svid.pem", "svid spiffe://east.acme.mesh/ns/shop/sa/cart", "issuer east.acme.mesh"],
    ["nothing", "unreadable"],
  ]);
  const secret = (await readFile(join(made.root, "root.key"), "utf8")).split("\n")[1] ?? "";
  assert.ok(!JSON.stringify(shown).includes(secret.slice(0, 20)));
});
