// A member whose agent is away while the root is rotated: it is named, waited for or waived, and heals.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { RotationMemberAnswer } from "../../../src/app/api-model.ts";
import { MeshError } from "../../../src/mesh/errors.ts";
import { parseMemberName } from "../../../src/mesh/ids.ts";
import { loadMember } from "../../../src/trust/io/member-files.ts";
import { rootAbove } from "../../../src/trust/root-rotation/issuing-root.ts";
import { askUntil, until } from "../support/ask.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { startCaller, type TestMember } from "../support/test-mesh.ts";
import { openRotatingMesh, type RotatingMesh } from "./rotating-mesh.ts";

const west = parseMemberName("west");

/** On the port that its sidecars know. */
async function comeBack({ mesh }: RotatingMesh, member: TestMember): Promise<void> {
  const config = mesh.agentConfig(member.name, `region-of-${member.name}`, member.gatewayPort);
  await mesh.startAgent({ ...config, xds: { listen: member.agent.xds } });
}

async function rootOfWest({ mesh }: RotatingMesh): Promise<string | undefined> {
  const { issuer, bundle } = await loadMember(join(mesh.dir, "west", "trust"));
  return rootAbove(issuer, bundle.roots)?.spkiSha256;
}

test("a silent member is named, and when it is back the rotation ends without a failed request", async () => {
  await using rotating = await openRotatingMesh(["west"]);
  const { mesh, east, untilDrain, retire } = rotating;
  const member = await rotating.start("west", "region-of-west");
  await Promise.all([east.agent.whenWarm, member.agent.whenWarm]);
  await east.drain(true);
  const caller = await startCaller(mesh, east);
  await askUntil(caller.url, "cart of west", { allowed: ["cart of east"], mayFail: true });
  await using load = new SteadyLoad(caller.url, { callers: 2, pauseMs: 50 });
  await member.agent.stop({ deadlineMs: 1000 });
  await untilDrain();
  const named: string[] = [];
  const onWaiting = (missing: readonly RotationMemberAnswer[]): void => {
    named.push(...missing.map(({ name }) => name));
  };
  await assert.rejects(
    retire({ limitMs: 15_000, onWaiting }),
    (thrown) =>
      thrown instanceof MeshError &&
      thrown.code === "MESH_TRUST_ROTATION_REFUSED" &&
      thrown.message.includes("west: it is silent"),
  );
  assert.ok(named.includes("west"), String(named));
  await load.more(50);
  await comeBack(rotating, member);
  const { bundle } = await retire();
  await load.more(50);
  assert.deepEqual(load.failures, []);
  assert.equal(await rootOfWest(rotating), bundle.roots[0]?.spkiSha256);
});

test("a waived member is not waited for, and heals when it is back", async () => {
  await using rotating = await openRotatingMesh(["west"]);
  const { mesh, east, untilDrain, retire } = rotating;
  const member = await rotating.start("west", "region-of-west");
  await Promise.all([east.agent.whenWarm, member.agent.whenWarm]);
  const caller = await startCaller(mesh, east);
  await askUntil(caller.url, "cart of east", { allowed: [], mayFail: true });
  await using load = new SteadyLoad(caller.url, { callers: 2, pauseMs: 50 });
  await member.agent.stop({ deadlineMs: 1000 });
  await untilDrain();
  const { bundle } = await retire({ waive: [west] });
  assert.equal(bundle.roots.length, 1);
  await load.more(50);
  assert.deepEqual(load.failures, []);
  assert.notEqual(await rootOfWest(rotating), bundle.roots[0]?.spkiSha256);
  await comeBack(rotating, member);
  await until<{ members: { name: string; state: string }[] }>(
    `${east.agent.httpUrl}/api/v1/members`,
    ({ members }) => members.some(({ name, state }) => name === west && state === "live"),
  );
  assert.equal(await rootOfWest(rotating), bundle.roots[0]?.spkiSha256);
  await east.drain(true);
  await askUntil(caller.url, "cart of west", { allowed: ["cart of east"] });
  assert.deepEqual(load.failures, []);
});
