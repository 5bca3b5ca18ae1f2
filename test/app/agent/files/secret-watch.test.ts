import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { watchSecrets } from "../../../../src/app/agent/files/secret-watch.ts";
import { silentLog } from "../../support/test-mesh.ts";

test("watchSecrets() warns at the start and until others cannot read the file any more", async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-secrets-"));
  try {
    const file = join(dir, "password");
    await writeFile(file, "hunter2\n");
    await chmod(file, 0o644);
    const url = "redis://127.0.0.1:1";
    const logged: unknown[] = [];
    const log = { ...silentLog, warn: (fields: object) => void logged.push(fields) };
    const secrets = await watchSecrets([{ name: "east", url, passwordFile: file }], log);
    assert.equal(logged.length, 1);
    assert.doesNotMatch(JSON.stringify(logged), /hunter2/);
    assert.deepEqual(
      secrets.findings().map(({ code, subject }) => [code, subject]),
      [["CATALOG_SECRET_EXPOSED", file]],
    );
    await chmod(file, 0o600);
    await secrets.look();
    assert.deepEqual(secrets.findings(), []);
  } finally {
    await rm(dir, { recursive: true });
  }
});
