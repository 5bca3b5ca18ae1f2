// Types what the README tells whoever adds a VM, word for word, after what it tells whoever sets up one member.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { commandsUnder } from "./readme.ts";
import { type } from "./typed.ts";

/** Printed between what the README types and what only this test wants to know. */
const border = "---- after the README ----";

test("README's VM: typed as it stands, it joins, calls and is called, is found sound, and leaves", async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-readme-vm-"));
  try {
    await Promise.all(["home", "bin"].map((name) => mkdir(join(dir, name))));
    await symlink(join(process.cwd(), "bin/isthmus.mjs"), join(dir, "bin/isthmus"));
    await symlink(join(process.cwd(), "examples"), join(dir, "home/examples"));
    const page = await readFile("README.md", "utf8");
    const member = commandsUnder("## Set up a mesh of your own", page);
    const vm = commandsUnder("## Add a VM", page);
    const after = "ls -A vm; isthmus endpoints shop/pricing";
    const script = `cd ~\n${member}\n${vm}\necho '${border}'\n${after}\n`;
    const { code, out, err } = await type(script, dir);
    const said = `${out}\n${err}`;
    assert.equal(code, 0, said);
    const [shown = "", left = ""] = out.split(border);
    assert.match(
      shown,
      / of shop\/pricing-vms is spiffe:\/\/eks-us-east-1\.acme\.mesh\/ns\/shop\/sa\/pricing, by its token$/m,
    );
    assert.match(
      shown,
      /^127\.0\.0\.1:15102 → cart\.shop:80 +cart\.shop\.svc\.cluster\.local:80$/m,
    );
    assert.match(shown, /^127\.0\.0\.1:15103 → pricing\.shop:80 /m);
    assert.match(shown, /^First configuration acknowledged after \d+\.\d\d s$/m);
    assert.match(shown, /127\.0\.0\.2:15006 +sidecar +healthy/);
    assert.equal(
      shown.match(/<title>Directory listing/g)?.length,
      3,
      "cart, cart of the VM, pricing",
    );
    for (const code of [
      "VM_FOLDER",
      "VM_CERTIFICATE",
      "VM_CLOCK",
      "VM_ROOT",
      "VM_MTU",
      "VM_GROUP",
    ]) {
      assert.match(shown, new RegExp(`^ok +${code} `, "m"), said);
    }
    assert.match(shown, /^0 errors, \d+ warnings?$/m, said);
    assert.match(shown, /has left the mesh: its sidecar has said goodbye/);
    assert.match(left, /^\s*pricing\.yaml$/m);
    assert.doesNotMatch(left, /state|127\.0\.0\.2/, "nothing is left of it, here or in the mesh");
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});
