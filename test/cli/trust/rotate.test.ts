import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openRotatingMesh } from "../../app/root-rotation/rotating-mesh.ts";
import { run } from "../fake-terminal.ts";

interface Status {
  readonly step: string;
  readonly isReady: boolean;
  readonly members: readonly { readonly name: string; readonly reasons: readonly string[] }[];
}

test("isthmus trust rotate takes a member from one root to the next, and back before that", async () => {
  await using rotating = await openRotatingMesh([]);
  const { east, hands } = rotating;
  await east.agent.whenWarm;
  const rotate = (...argv: string[]): ReturnType<typeof run> =>
    run(["trust", "rotate", ...argv, "--agent", east.agent.httpUrl]);
  const at = ["--dir", hands.dir];
  const before = await readFile(join(hands.dir, "root.pem"), "utf8");

  assert.match(
    (await rotate("status")).out,
    /^No rotation of the root is under way; charter \d+\n$/,
  );
  assert.match((await rotate("start", ...at)).out, /publishing, charter \d+/);
  assert.equal((await stat(join(hands.dir, "root.next.key"))).mode & 0o777, 0o600);
  assert.match((await rotate("abort", ...at)).out, /No rotation/);
  await assert.rejects(stat(join(hands.dir, "root.next.key")));

  for (const step of ["start", "activate", "drain"]) {
    const { code, err } = await rotate(step, ...at);
    assert.equal(code, 0, err);
  }
  const shown = await rotate("status");
  assert.match(shown.out, /draining/);
  assert.match(shown.out, /MEMBER .*MISSING/);
  const status = JSON.parse((await rotate("status", "--json")).out) as Status;
  assert.deepEqual([status.step, status.members.map(({ name }) => name)], ["draining", ["east"]]);
  const retired = await rotate("retire", ...at);
  assert.equal(retired.code, 0, retired.err);
  assert.match(retired.out, /No rotation/);
  assert.notEqual(await readFile(join(hands.dir, "root.pem"), "utf8"), before);
  assert.equal(await readFile(join(hands.dir, "root.retired.pem"), "utf8"), before);
  // Broken off and given again.
  assert.equal((await rotate("retire", ...at)).code, 0);
  // Who issues from the folder afterwards does so under the new root.
  const argv = ["member", "north", "--dir", hands.dir, "--out", join(rotating.mesh.dir, "north")];
  const issued = await run(["trust", "issue", ...argv]);
  assert.equal(issued.code, 0, issued.err);
});

test("isthmus trust rotate retire waits for a member by name, and --emergency says who is cut off", async () => {
  // West was issued and never ran.
  await using rotating = await openRotatingMesh(["west"]);
  const { east, hands } = rotating;
  await east.agent.whenWarm;
  const rotate = (...argv: string[]): ReturnType<typeof run> =>
    run(["trust", "rotate", ...argv, "--dir", hands.dir, "--agent", east.agent.httpUrl]);
  for (const step of ["start", "activate", "drain"]) await rotate(step);
  const waited = await rotate("retire", "--timeout", "1");
  assert.equal(waited.code, 1);
  assert.match(waited.err, /west: nothing was ever heard of it.*MESH_TRUST_ROTATION_REFUSED/s);
  const unknown = await rotate("retire", "--waive", "north");
  assert.match(unknown.err, /MESH_NOT_FOUND/);
  const cut = await rotate("retire", "--emergency");
  assert.equal(cut.code, 0, cut.err);
  assert.match(cut.out, /cut off: .*west \(nothing was ever heard of it\)/);
});

for (const [argv, truth] of [
  [["later"], "start, status, activate, drain, retire, abort"],
  [["start"], "--dir names the root's folder"],
  [["retire", "--dir", "root", "--timeout", "soon"], "a number of seconds"],
] as const) {
  test(`isthmus trust rotate ${argv.join(" ")} exits 2 and says why`, async () => {
    const printed = await run(["trust", "rotate", ...argv]);
    assert.equal(printed.code, 2, printed.err);
    assert.ok(printed.err.includes(truth), printed.err);
  });
}
