// A disk that is full at the moment when a key is written: nothing that was there is lost, nothing half written stays.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { parseMemberName, parseNetworkName } from "../../src/mesh/ids.ts";
import { loadIdentity, saveIdentity } from "../../src/trust/io/identity-store.ts";
import { loadMember, loadRoot } from "../../src/trust/io/member-files.ts";
import { holdIssuer } from "../../src/trust/io/member-issuer.ts";
import { newPrivateKey } from "../../src/trust/io/new-key.ts";
import { initTrust, issueMember, issueWorkload } from "../../src/trust/io/trust-files.ts";
import { issueIntermediate } from "../../src/trust/issue.ts";
import { privateKeyPemOf, sha256Hex, spkiOf } from "../../src/trust/keys.ts";
import { mesh } from "../trust/made.ts";

const isRoot = process.getuid?.() === 0;
const skip = isRoot ? false : "only root may mount a small disk";
const dir = await mkdtemp(join(tmpdir(), "isthmus-full-"));
const disk = join(dir, "disk");
const clock = { nowMs: (): number => Date.now(), monotonicMs: (): number => performance.now() };
const name = parseMemberName("east");
after(() => rm(dir, { recursive: true, force: true }));

/** A copy of a folder on a small disk with no room left. */
async function onFullDisk(from: string, use: (folder: string) => Promise<void>): Promise<void> {
  await mkdir(disk, { recursive: true });
  assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", disk]).status, 0);
  try {
    const folder = join(disk, "folder");
    await cp(from, folder, { recursive: true });
    const before = await contentOf(folder);
    await assert.rejects(writeFile(join(disk, "filler"), Buffer.alloc(1_000_000)), {
      code: "ENOSPC",
    });
    await use(folder);
    assert.deepEqual(await contentOf(folder), before);
  } finally {
    spawnSync("umount", [disk]);
  }
}

async function contentOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const texts = files.map(async (file) => [file, await readFile(file, "latin1")] as const);
  return Object.fromEntries(await Promise.all(texts));
}

suite("a disk that is full", { skip }, () => {
  test("leaves a workload the identity that it has", async () => {
    const root = join(dir, "root");
    await initTrust({ dir: root, mesh, nowMs: Date.now() });
    const place = { cloud: "aws", region: "us-east-1", network: parseNetworkName("east") };
    const claims = { name, ...place, gatewayRanges: [], mayExport: [] };
    await issueMember({ dir: root, out: join(dir, "east"), claims, nowMs: Date.now() });
    const words = { dir: join(dir, "east"), nowMs: Date.now() };
    for (const out of ["svid", "next"]) {
      await issueWorkload({
        ...words,
        out: join(dir, out),
        account: { namespace: "shop", serviceAccount: "cart" },
      });
    }
    const next = await loadIdentity(join(dir, "next"));
    const own = await loadIdentity(join(dir, "svid"));
    await onFullDisk(join(dir, "svid"), async (folder) => {
      await assert.rejects(saveIdentity(folder, next), { code: "ENOSPC" });
      assert.equal((await loadIdentity(folder)).certChainPem, own.certChainPem);
    });
  });

  test("leaves a member the issuer that it has, on disk and in use", async () => {
    const { issuer, charter, trustDomain } = await loadMember(join(dir, "east"));
    const { root } = await loadRoot(join(dir, "root"));
    const key = newPrivateKey();
    const keyId = sha256Hex(spkiOf(key));
    const [member = assert.fail()] = charter.charter.members;
    const issuers = [...member.issuers, keyId];
    const listing = { ...charter.charter, members: [{ ...member, issuers }] };
    await onFullDisk(join(dir, "east"), async (folder) => {
      const held = holdIssuer({
        dir: folder,
        first: issuer,
        trustDomain,
        charter: () => ({ ...charter, charter: listing }),
        clock,
      });
      const certificate = await issueIntermediate({
        root,
        member: name,
        mesh,
        spki: spkiOf(key),
        nowMs: Date.now(),
      });
      await assert.rejects(
        held.adopt({ chain: [certificate], keyPem: privateKeyPemOf(key) }),
        /ENOSPC|no space/,
      );
      assert.equal(held.current().certificate.sha256, issuer.certificate.sha256);
      assert.equal((await loadMember(folder)).issuer.certificate.sha256, issuer.certificate.sha256);
    });
  });
});
