import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { run as printed } from "../fake-terminal.ts";

suite("isthmus capture", () => {
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "isthmus-capture-"));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const sidecarYaml = (more: string): string => `agent: 127.0.0.1:15012
identity: { dir: ./svid }
engine: envoy
workload: cart-1
namespace: shop
serviceAccount: cart
${more}
`;

  async function dryRun(yaml: string): ReturnType<typeof printed> {
    const file = join(dir, "sidecar.yaml");
    await writeFile(file, yaml);
    return printed(["capture", "apply", "--dry-run", "--config", file]);
  }

  test("apply --dry-run prints what sidecar.yaml says, and changes nothing", async () => {
    const said = await dryRun(
      sidecarYaml("capture: { transparent: { inboundPort: 16006, openPorts: [9100] } }"),
    );
    assert.equal(said.code, 0, said.err);
    assert.match(said.out, /redirect to :16006/);
    assert.match(said.out, /tcp dport \{ 9100, 15021, 15090 \} return/);
  });

  test("apply refuses a sidecar that takes no captured connections", async () => {
    const said = await dryRun(sidecarYaml("capture: ports"));
    assert.equal(said.code, 64);
    assert.match(said.err, /write `capture: transparent`/);
  });

  test("apply tells all that is wrong with sidecar.yaml", async () => {
    const said = await dryRun(
      sidecarYaml("capture: { transparent: { openPorts: [0], unknown: x } }"),
    );
    assert.equal(said.code, 64);
    assert.match(said.err, /openPorts\[0\]/);
    assert.match(said.err, /unknown: it is not one of pass, block/);
  });

  test("says what is missing where nft may change nothing", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = dir;
    try {
      // As the real one speaks to whoever lacks the capability.
      await writeFile(join(dir, "nft"), '#!/bin/sh\necho "Operation not permitted" >&2\nexit 1\n', {
        mode: 0o755,
      });
      for (const command of ["show", "remove", "apply"]) {
        const said = await printed(["capture", command]);
        assert.equal(said.code, 1, command);
        assert.match(said.err, /CAP_NET_ADMIN[^]*MESH_CAPTURE_FAILED/, command);
      }
    } finally {
      process.env["PATH"] = path;
    }
  });
});
