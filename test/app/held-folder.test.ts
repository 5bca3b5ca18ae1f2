import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { holdFolder } from "../../src/app/held-folder.ts";
import { freePorts } from "./support/free-port.ts";
import { local, TestMesh } from "./support/test-mesh.ts";

const dir = await mkdtemp(join(tmpdir(), "isthmus-held-"));
after(() => rm(dir, { recursive: true, force: true }));
const skip = process.platform === "linux" ? false : "names of this kind are Linux's";

suite("a folder for one process", { skip }, () => {
  test("holdFolder() refuses another holder, by whatever path, until the first is done", async () => {
    const other = join(dir, "..", `${dir.split("/").at(-1)}-link`);
    await symlink(dir, other);
    try {
      const first = await holdFolder(dir, "use another");
      await assert.rejects(holdFolder(other, "use another"), {
        code: "MESH_FOLDER_IN_USE",
        message: /use another/,
      });
      await first[Symbol.asyncDispose]();
      await (await holdFolder(other, ""))[Symbol.asyncDispose]();
    } finally {
      await rm(other);
    }
  });

  test("a second agent is refused the state folder of one that runs, and may have it afterwards", async () => {
    await using mesh = await TestMesh.open();
    await mesh.issue("east", "us-east-1");
    await mkdir(mesh.servicesDir("east"), { recursive: true });
    const [port = 0] = await freePorts(1);
    const config = mesh.agentConfig("east", "us-east-1", port);
    const first = await mesh.startAgent(config);
    await assert.rejects(mesh.startAgent({ ...config, xds: { listen: local(0) } }), {
      code: "MESH_FOLDER_IN_USE",
    });
    const status = await fetch(`${first.httpUrl}/healthz`);
    assert.equal(status.status, 200);
    await first.stop({ deadlineMs: 1000 });
    await mesh.startAgent(config);
  });
});
