// No hub takes part when a member joins: while the only one is down it joins all the same, and when that is back the
// others learn of it.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { test } from "node:test";
import type { MemberAnswer } from "../../src/app/api-model.ts";
import { until } from "../app/support/ask.ts";
import { freePorts } from "../app/support/free-port.ts";
import { Federation } from "../system/federation.ts";
import { Program, run } from "../system/program.ts";

async function knows(api: string, ...names: readonly string[]): Promise<void> {
  type Members = { readonly members: readonly MemberAnswer[] };
  await until<Members>(`${api}/api/v1/members`, ({ members }) =>
    names.every((name) => members.some((one) => one.name === name)),
  );
}

test("a member joins while the only hub is down, serves, and is known to all when it is back", async () => {
  await using mesh = await Federation.make({ hasRoot: true });
  await mesh.redis.start();
  await mesh.startAll(["east-agent", "west-agent"]);
  // Charters are raised from the newest one that the agent has: it has to have met the other member's.
  await knows(mesh.eastApi, "west");
  await mesh.redis.kill();
  const created = await run(
    ["token", "create", "--member", "north", "--export", "shop", "--config", "east-agent.yaml"],
    mesh.dir,
  );
  assert.equal(created.code, 0, created.err);
  await writeFile(mesh.file("north.token"), created.out, { mode: 0o600 });
  const [xds = 0, http = 0] = await freePorts(2);
  const joined = await run(
    [
      ..."join --token-file north.token --dir north --agent".split(" "),
      `127.0.0.1:${mesh.ports.eastXds}`,
      "--xds",
      `127.0.0.1:${xds}`,
      "--http",
      `127.0.0.1:${http}`,
    ],
    mesh.dir,
  );
  assert.equal(joined.code, 0, joined.err + joined.out);
  await mkdir(mesh.file("north", "services"), { recursive: true });
  await using north = new Program(["agent", "--config", "agent.yaml"], { cwd: mesh.file("north") });
  await mesh.redis.start();
  await north.said("Serves proxies");
  for (const api of [mesh.westApi, mesh.eastApi, `http://127.0.0.1:${http}`]) {
    await knows(api, "east", "north", "west");
  }
  const again = await run(
    [
      ..."join --token-file north.token --dir other --agent".split(" "),
      `127.0.0.1:${mesh.ports.eastXds}`,
    ],
    mesh.dir,
  );
  assert.notEqual(again.code, 0);
  assert.match(again.err, /was\b|used/);
});
