// Types what the README tells a newcomer to type, word for word, so that it cannot rot.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { commandsUnder } from "./readme.ts";
import { type } from "./typed.ts";

/** Printed between what the README types and what only this test wants to know. */
const border = "---- after the README ----";

test("README's three members on one Redis: typed as it stands, a request crosses members", async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-readme-"));
  try {
    await Promise.all(["home", "bin"].map((name) => mkdir(join(dir, name))));
    await symlink(join(process.cwd(), "bin/isthmus.mjs"), join(dir, "bin/isthmus"));
    const typed = commandsUnder(
      "## Three members on one Redis",
      await readFile("README.md", "utf8"),
    );
    const { code, out, err } = await type(
      `${typed}\necho '${border}'\nisthmus status --json\n`,
      dir,
    );
    const said = `${out}\n${err}\n${await logsIn(join(dir, "home/mesh3"))}`;
    assert.equal(code, 0, said);
    const [shown = "", after = ""] = out.split(border);
    const answers = [...shown.matchAll(/^cart of (\S+)$/gm)].map(([, member]) => member);
    assert.equal(answers.length, 2, said);
    assert.equal(answers[0], "eks-us-east-1", "the nearest one answers first");
    assert.match(answers[1] ?? "", /^(aks-westeurope|gke-asia-east1)$/, "then another member");
    assert.match(shown, /^aks-westeurope +azure +westeurope /m);
    assert.match(shown, /1 +eks-us-east-1 .*unhealthy/);
    const { catalog, charterNumber } = JSON.parse(after) as {
      readonly catalog: {
        readonly hubs: readonly { readonly name: string; readonly state: string }[];
      };
      readonly charterNumber: number;
    };
    assert.deepEqual(
      catalog.hubs.map(({ name, state }) => [name, state]),
      [["127.0.0.1:16379", "synced"]],
    );
    assert.equal(charterNumber, 4, "the hub brought the charter that names all three");
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});

async function logsIn(dir: string): Promise<string> {
  const files = ["us-east-1/agent.log", "westeurope/agent.log", "us-east-1/frontend.log"];
  const texts = files.map((file) => readFile(join(dir, file), "utf8").catch(() => "absent"));
  return (await Promise.all(texts)).map((text) => text.slice(-2000)).join("\n");
}
