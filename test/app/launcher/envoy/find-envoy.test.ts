import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { after, before, suite, test } from "node:test";
import { formatVersion } from "../../../../src/app/launcher/envoy/envoy-version.ts";
import { findEnvoy } from "../../../../src/app/launcher/envoy/find-envoy.ts";

suite("findEnvoy()", () => {
  let dir = "";
  const at = (...parts: readonly string[]): string => join(dir, ...parts);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "isthmus-find-"));
    await program(at("old/envoy"), "1.30.1");
    await program(at("fit/envoy"), "1.38.0");
    await program(at("next/envoy"), "1.41.0");
    await program(at("cache/envoy-1.36.4/envoy/_bin/envoy"), "1.36.4");
    await program(at("cache/envoy-1.40.0/envoy/_bin/envoy"), "1.40.0");
    await write(at("other/envoy"), "echo git version 2.43.0");
    await write(at("broken/envoy"), "exit 3");
    await write(at("data/envoy"), "no program");
    await chmod(at("data/envoy"), 0o644);
  });
  after(() => rm(dir, { recursive: true }));

  const path = (...folders: readonly string[]): string =>
    [dirname("/bin/sh"), ...folders.map((folder) => at(folder))].join(delimiter);

  test("takes the one that ISTHMUS_ENVOY names before all others", async () => {
    const environment = {
      ISTHMUS_ENVOY: at("fit/envoy"),
      PATH: path(),
      ISTHMUS_CACHE: at("cache"),
    };
    const { path: found, version } = await findEnvoy(environment);
    assert.deepEqual([found, formatVersion(version)], [at("fit/envoy"), "1.38.0"]);
  });

  test("takes the first fit one on PATH before the cache, whatever else stands there", async () => {
    const PATH = path("data", "old", "other", "broken", "fit", "next");
    assert.equal((await findEnvoy({ PATH, ISTHMUS_CACHE: at("cache") })).path, at("fit/envoy"));
  });

  test("names it by a whole path, as it is run in another folder", async () => {
    const here = (...parts: readonly string[]): string => relative(process.cwd(), at(...parts));
    for (const environment of [
      { ISTHMUS_ENVOY: here("fit/envoy"), PATH: path() },
      { PATH: [dirname("/bin/sh"), here("fit")].join(delimiter) },
    ]) {
      assert.equal((await findEnvoy(environment)).path, at("fit/envoy"));
    }
  });

  test("takes the newest of the cache", async () => {
    const { version } = await findEnvoy({ PATH: path(), ISTHMUS_CACHE: at("cache") });
    assert.equal(formatVersion(version), "1.40.0");
  });

  for (const [what, environment, code, words] of [
    [
      "there is none at all",
      { PATH: "none" },
      "MESH_ENGINE_MISSING",
      ["ISTHMUS_ENVOY", "1.36 to 1.40"],
    ],
    [
      "there are only others",
      { PATH: "old,next,broken" },
      "MESH_ENGINE_UNSUPPORTED",
      ["is 1.30.1", "is 1.41.0", "does not run"],
    ],
    [
      "ISTHMUS_ENVOY names one too old",
      { ISTHMUS_ENVOY: "old" },
      "MESH_ENGINE_UNSUPPORTED",
      ["ISTHMUS_ENVOY: ", "is 1.30.1"],
    ],
    [
      "ISTHMUS_ENVOY names something else",
      { ISTHMUS_ENVOY: "other" },
      "MESH_ENGINE_UNSUPPORTED",
      ["is no Envoy"],
    ],
    [
      "ISTHMUS_ENVOY names nothing",
      { ISTHMUS_ENVOY: "absent" },
      "MESH_ENGINE_UNSUPPORTED",
      ["does not run"],
    ],
  ] as const) {
    test(`says what was found where: ${what}`, async () => {
      const named = "ISTHMUS_ENVOY" in environment ? at(environment.ISTHMUS_ENVOY, "envoy") : "";
      const PATH = "PATH" in environment ? path(...environment.PATH.split(",")) : path("fit");
      const finding = findEnvoy({ ISTHMUS_ENVOY: named, PATH, ISTHMUS_CACHE: at("empty") });
      await assert.rejects(finding, (error: Error & { readonly code: string }) => {
        assert.equal(error.code, code);
        for (const word of words) assert.ok(error.message.includes(word), error.message);
        return true;
      });
    });
  }
});

async function program(path: string, version: string): Promise<void> {
  await write(path, `echo "envoy  version: 0123abc/${version}/Clean/RELEASE/BoringSSL"`);
}

async function write(path: string, script: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}
