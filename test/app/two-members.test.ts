import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { test } from "node:test";
import { startCaller, startMember, TestMesh } from "./support/test-mesh.ts";

/** One request on a connection of its own. */
async function ask(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: "close" } });
  return (await response.text()).trim();
}

/** Asks until the answer is the wanted one; every answer on the way must be one of the allowed. */
async function askUntil(url: string, wanted: string, allowed: readonly string[]): Promise<number> {
  for (let asked = 1; asked < 1000; asked += 1) {
    const answer = await ask(url);
    if (answer === wanted) return asked;
    assert.ok(allowed.includes(answer), `unexpected answer ${answer}`);
    await wait(10);
  }
  assert.fail(`never answered by ${wanted}`);
}

test("startAgent() and launchers carry a request locally, then through both gateways, without a failure", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const [east, west] = await Promise.all([
    startMember(mesh, "east", "us-east-1"),
    startMember(mesh, "west", "us-west-1"),
  ]);
  await Promise.all([east.agent.whenWarm, west.agent.whenWarm]);
  await Promise.all(
    [east, west].flatMap((member) => [member.gateway.whenReady, member.cartSidecar.whenReady]),
  );
  const caller = await startCaller(mesh, east);
  await caller.sidecar.whenReady;
  await askUntil(caller.url, "cart of east", []);
  // Drained: nothing fails on the way.
  await east.setReady(false);
  await askUntil(caller.url, "cart of west", ["cart of east"]);
  await east.setReady(true);
  await askUntil(caller.url, "cart of east", ["cart of west"]);
});
