import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "./admin-client.ts";
import { skipWithoutKubernetes } from "./binaries.ts";

const holder = new URL("./support/cluster-holder.ts", import.meta.url).pathname;

test("an API server ends when the runner of its test is killed", {
  skip: skipWithoutKubernetes,
}, async (t) => {
  // Who is killed removes nothing.
  const dir = await mkdtemp(join(tmpdir(), "isthmus-killed-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const { NODE_TEST_CONTEXT: _ours, ...env } = process.env;
  const runner = spawn(process.execPath, ["--test", "--test-reporter=tap", holder], {
    env: { ...env, TMPDIR: dir },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pids = await pidsSaidBy(runner.stdout);
  assert.equal(pids.length, 3);
  assert.ok(pids.every(isAlive));
  const exited = once(runner, "exit");
  runner.kill("SIGKILL");
  await exited;
  await until("all of them are gone", () => Promise.resolve(!pids.some(isAlive)));
});

async function pidsSaidBy(output: AsyncIterable<Buffer>): Promise<readonly number[]> {
  let text = "";
  for await (const chunk of output) {
    text += String(chunk);
    const said = /^\D*(\d+) (\d+) (\d+)$/m.exec(text);
    if (said !== null) return said.slice(1).map(Number);
  }
  throw new Error(`The cluster did not start: ${text}`);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
