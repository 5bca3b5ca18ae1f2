import assert from "node:assert/strict";
import { test } from "node:test";
import { freePorts } from "../../app/support/free-port.ts";
import { run } from "../fake-terminal.ts";

for (const [argv, truth] of [
  [["--store", "disk"], "--store disk is neither memory nor redis"],
  [["--redis", "redis://127.0.0.1:6379"], "--redis needs --store redis"],
  [["--engine", "nginx"], "--engine nginx is neither embedded nor envoy"],
] as const) {
  test(`isthmus demo ${argv.join(" ")} exits 2 and says why`, async () => {
    const printed = await run(["demo", "--once", ...argv]);
    assert.equal(printed.code, 2);
    assert.ok(printed.err.includes(truth), printed.err);
  });
}

test("isthmus demo with a Redis that does not answer exits 69 and names it", async () => {
  const [port = 0] = await freePorts(1);
  const url = `redis://127.0.0.1:${port}`;
  const printed = await run(["demo", "--once", "--store", "redis", "--redis", url]);
  assert.equal(printed.code, 69, printed.err);
  assert.match(printed.err, new RegExp(`127\\.0\\.0\\.1:${port}`));
});

test("isthmus demo repeats no password that somebody put into a URL", async () => {
  const url = "redis://:hunter2@127.0.0.1:6379";
  const printed = await run(["demo", "--once", "--store", "redis", "--redis", url]);
  assert.notEqual(printed.code, 0);
  assert.doesNotMatch(printed.out + printed.err, /hunter2/);
  assert.match(printed.err, /MESH_ADDRESS_INVALID/);
});
