import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeaveAnswer, ServiceAnswer } from "../../../../src/app/api-model.ts";
import { run } from "../../../cli/fake-terminal.ts";
import { askUntil, until } from "../../support/ask.ts";
import { startCaller, startMember, TestMesh } from "../../support/test-mesh.ts";

const hasRemotes =
  (count: number) =>
  ({ services }: { readonly services: readonly ServiceAnswer[] }): boolean =>
    services.some(({ remotes }) => remotes.length > 0) === count > 0;

test("isthmus leave withdraws the exports, names who confirmed, and --stay takes it back", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mesh.issue("north", "us-north-1");
  await mesh.issue("west", "us-west-1");
  const [east, west] = await Promise.all([
    startMember(mesh, "east", "us-east-1"),
    startMember(mesh, "west", "us-west-1"),
  ]);
  const caller = await startCaller(mesh, east);
  await caller.sidecar.whenReady;
  const services = `${east.agent.httpUrl}/api/v1/services`;
  await until(services, hasRemotes(1));
  await east.drain(true);
  await askUntil(caller.url, "cart of west", { allowed: ["cart of east"], mayFail: true });
  await east.drain(false);

  const agent = ["--agent", west.agent.httpUrl];
  // North is in the charter and has never run.
  const left = await run(["leave", ...agent, "--limit", "10"]);
  assert.equal(left.code, 1, left.err);
  assert.match(left.out, /^east has confirmed \(1 of 2\)$/m);
  assert.match(left.out, /Not confirmed by:\n {2}north: its control plane is not heard/);
  await until(services, hasRemotes(0));
  const status = await until<LeaveAnswer>(`${west.agent.httpUrl}/api/v1/leave`, () => true);
  assert.deepEqual(status, {
    isLeaving: true,
    members: [
      { name: "east", state: "confirmed" },
      { name: "north", state: "silent" },
    ],
  });
  // Its own callers are served still.
  assert.equal((await run(["leave", ...agent, "--stay"])).code, 0);
  await until(services, hasRemotes(1));
});
