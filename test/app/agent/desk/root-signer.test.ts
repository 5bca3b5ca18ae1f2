import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { createRootSigner } from "../../../../src/app/agent/desk/root-signer.ts";
import { newPrivateKey } from "../../../../src/trust/io/new-key.ts";
import { saveFile } from "../../../../src/trust/io/safe-files.ts";
import { privateKeyPemOf } from "../../../../src/trust/keys.ts";
import { signerOf } from "../../../../src/trust/signer.ts";

const dir = await mkdtemp(join(tmpdir(), "isthmus-root-signer-"));
after(() => rm(dir, { recursive: true, force: true }));

test("createRootSigner() finds the key that a rotation has left in the place of the old root's", async () => {
  const file = join(dir, "root.key");
  const [old, next] = [newPrivateKey(), newPrivateKey()];
  const [oldId, nextId] = [signerOf(old).keyId, signerOf(next).keyId];
  await saveFile(file, privateKeyPemOf(old));
  const root = createRootSigner({ t: "file", file }, "east");
  assert.equal((await root.open((id) => id === oldId)).keyId, oldId);
  assert.deepEqual(
    root.findings((id) => id === oldId),
    [],
  );
  await saveFile(file, privateKeyPemOf(next));
  const isNext = (id: string): boolean => id === nextId;
  assert.deepEqual(root.findings(isNext), []);
  assert.equal((await root.open(isNext)).keyId, nextId);
  // Neither is a root: that is a finding as soon as it was looked for.
  let found = root.findings(() => false);
  while (found.length === 0) {
    await wait(1);
    found = root.findings(() => false);
  }
  assert.match(found[0]?.message ?? "", /not the key of a root/);
});
