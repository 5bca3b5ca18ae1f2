// Types what the README tells whoever links two members, word for word, so that it cannot rot.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { commandsUnder } from "./readme.ts";
import { type } from "./typed.ts";

test("README's first two members: typed as it stands, the second joins, leaves, and is denied", async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-readme-"));
  try {
    await Promise.all(["home", "bin"].map((name) => mkdir(join(dir, name))));
    await symlink(join(process.cwd(), "bin/isthmus.mjs"), join(dir, "bin/isthmus"));
    const page = await readFile("README.md", "utf8");
    const { code, out, err } = await type(
      commandsUnder("## Link your first two members", page),
      dir,
    );
    const logs = await Promise.all(
      ["east", "west"].map((name) =>
        readFile(join(dir, "home/mesh2", name, "agent.log"), "utf8").catch(() => "absent"),
      ),
    );
    const said = `${out}\n${err}\n${logs.map((text) => text.slice(-2000)).join("\n")}`;
    assert.equal(code, 0, said);
    assert.match(out, /^aks-westeurope joined acme\.mesh, charter 3;/m, said);
    assert.match(out, /^Wrote west\/agent\.yaml$/m, said);
    assert.match(out, /^shop\/pricing .*aks-westeurope/m, said);
    assert.match(out, /^eks-us-east-1 has confirmed \(1 of 1\)$/m, said);
    assert.match(out, /^Denied aks-westeurope: charter \d+ is in force/m, said);
    assert.match(out, /^aks-westeurope +azure +westeurope +denied/m, said);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});
