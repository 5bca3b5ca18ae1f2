import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Judge, Verdict } from "./exhibits.ts";

const command = "go";

export const hasGo: boolean = spawnSync(command, ["version"]).status === 0;

const source = fileURLToPath(new URL("verify.go", import.meta.url));

/** Go's crypto/x509, by a small program compiled into a temporary folder. */
export const askGo: Judge = async ({ root, list }) => {
  const folder = await mkdtemp(join(tmpdir(), "isthmus-go-"));
  try {
    const program = join(folder, "verify");
    // The standard library is all it needs; no module and no other toolchain is fetched.
    const env = { ...process.env, GO111MODULE: "off", GOTOOLCHAIN: "local", GOFLAGS: "" };
    const built = spawnSync(command, ["build", "-o", program, source], { env, encoding: "utf8" });
    assert.equal(built.status, 0, built.stderr);
    const chains = list.map(({ chain }) => chain.map((one) => one.der.toString("base64")));
    const input = JSON.stringify({ Root: root.der.toString("base64"), Chains: chains });
    const ran = spawnSync(program, [], { input, encoding: "utf8" });
    assert.equal(ran.status, 0, ran.stderr);
    return JSON.parse(ran.stdout) as (Verdict | "mixed")[];
  } finally {
    await rm(folder, { recursive: true });
  }
};
