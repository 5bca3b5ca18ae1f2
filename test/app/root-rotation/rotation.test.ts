// Whole rotations with real agents, gateways and sidecars, and requests that never stop.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadMember, loadRoot } from "../../../src/trust/io/member-files.ts";
import { rootAbove } from "../../../src/trust/root-rotation/issuing-root.ts";
import { askUntil } from "../support/ask.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { startCaller } from "../support/test-mesh.ts";
import { openRotatingMesh } from "./rotating-mesh.ts";

test("the root is replaced twice while requests inside a member and between members go on", async () => {
  await using stack = new AsyncDisposableStack();
  const rotating = stack.use(await openRotatingMesh(["west"]));
  const { mesh, east, untilDrain, retire, hands } = rotating;
  const west = await rotating.start("west", "region-of-west");
  await Promise.all([east.agent.whenWarm, west.agent.whenWarm]);
  // East's own is drained: its callers go through both gateways.
  await east.drain(true);
  const [away, home] = [await startCaller(mesh, east), await startCaller(mesh, west)];
  await askUntil(away.url, "cart of west", { allowed: ["cart of east"], mayFail: true });
  await askUntil(home.url, "cart of west", { allowed: [], mayFail: true });
  const loads = [away, home].map(({ url }) =>
    stack.use(new SteadyLoad(url, { callers: 2, pauseMs: 50 })),
  );
  const first = await loadRoot(hands.dir);
  for (let round = 1; round <= 2; round += 1) {
    await untilDrain();
    const { charter, bundle } = await retire();
    assert.equal(charter.rotationStep, "idle");
    assert.equal(charter.rotation, undefined);
    assert.equal(bundle.roots.length, 1);
    await Promise.all(loads.map((load) => load.more(50)));
  }
  for (const load of loads) assert.deepEqual(load.failures, []);
  const last = await loadRoot(hands.dir);
  assert.notEqual(last.root.signer.keyId, first.root.signer.keyId);
  assert.equal(last.charter.charter.succession?.length, 2);
  assert.deepEqual((await readdir(hands.dir)).sort(), [
    "bundle.pem",
    "charter.json",
    "root.key",
    "root.pem",
    "root.retired.pem",
  ]);
  for (const name of ["east", "west"]) {
    const { issuer, bundle } = await loadMember(join(mesh.dir, name, "trust"));
    assert.equal(rootAbove(issuer, bundle.roots)?.spkiSha256, last.root.signer.keyId);
  }
});
