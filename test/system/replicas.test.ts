// Two agents of one member, as at a VM site: one writes, both serve, and either may go.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import type { MemberAnswer, ServiceAnswer, StatusAnswer } from "../../src/app/api-model.ts";
import { askUntil, until } from "../app/support/ask.ts";
import { Federation } from "./federation.ts";
import { run } from "./program.ts";
import { startLoad } from "./steady-load.ts";

suite("two replicas of an agent as processes", () => {
  let mesh: Federation;

  before(async () => {
    // Long enough that a busy machine starts an agent again within it.
    mesh = await Federation.make({ lease: "15s" });
    await mesh.redis.start();
    await mesh.startAll(["east-agent", "west-agent"]);
    await mesh.startAll(["east-agent-2", "west-gateway", "west-cart", "east-frontend"]);
    await askUntil(mesh.url, "cart of west", { allowed: [], mayFail: true });
  });

  after(async () => {
    await mesh[Symbol.asyncDispose]();
  });

  const roleAt = (api: string, wanted: string): Promise<StatusAnswer> =>
    until<StatusAnswer>(`${api}/api/v1/status`, ({ catalog }) => catalog.state === wanted);

  test("one writes, the other stands by and says who writes; both know the mesh", async () => {
    await roleAt(mesh.eastApi, "synced");
    const { catalog, findings, isWarm } = await roleAt(mesh.eastApi2, "standby");
    assert.ok(isWarm);
    assert.ok(catalog.heldBy !== undefined);
    assert.equal(findings.error, 0);
    for (const api of [mesh.eastApi, mesh.eastApi2]) {
      await until<StatusAnswer>(`${api}/api/v1/status`, (answer) =>
        answer.catalog.replicas.every(({ isReachable }) => isReachable),
      );
    }
    const status = await run(["status", "--agent", mesh.eastApi2], mesh.dir);
    assert.match(status.out, /catalog +standby: \S+ writes for this member/);
    await until<{ readonly services: readonly ServiceAnswer[] }>(
      `${mesh.eastApi2}/api/v1/services`,
      ({ services }) => services.some(({ service }) => service === "shop/cart"),
    );
  });

  test("an agent with the same name that is no replica is refused and told who holds it", async () => {
    const text = await readFile(mesh.file("east-agent-2.yaml"), "utf8");
    const { eastXds2, eastHttp2, eastGateway, spare } = mesh.ports;
    const stranger = text
      .replace(/^ {2}replicas:.*$/m, "")
      .replace("state-2", "state-3")
      .replace(`127.0.0.1:${eastXds2}`, `127.0.0.1:${eastGateway}`)
      .replace(`127.0.0.1:${eastHttp2}`, `127.0.0.1:${spare}`);
    await writeFile(mesh.file("stranger.yaml"), stranger);
    const { code, err } = await run(["agent", "--config", "stranger.yaml"], mesh.dir);
    assert.equal(code, 1);
    assert.match(err, /Cannot publish as "east": instance \S+ on \S+ holds that name/);
    assert.match(err, /MESH_CATALOG_NAME_TAKEN/);
  });

  test("when the writer is killed, the other takes over its proxies and its name; no request fails", async () => {
    await using load = startLoad(mesh.url);
    await mesh.end("east-agent", "SIGKILL");
    await until<StatusAnswer>(
      `${mesh.eastApi2}/api/v1/status`,
      ({ proxies }) => proxies.sidecars === 1,
    );
    await roleAt(mesh.eastApi2, "synced");
    const seen = await until<{ readonly members: readonly MemberAnswer[] }>(
      `${mesh.westApi}/api/v1/members`,
      ({ members }) => members.some(({ name, lease }) => name === "east" && lease === "live"),
    );
    assert.ok(seen.members.length === 2);
    // Back after its lease, the first one finds its name in good hands.
    await mesh.start("east-agent");
    await roleAt(mesh.eastApi, "standby");
    await roleAt(mesh.eastApi2, "synced");
    await load.more(40);
    assert.deepEqual((await load.stop()).failures, []);
  });

  test("a writer that restarts within its lease goes on writing", async () => {
    const before = await roleAt(mesh.eastApi2, "synced");
    await mesh.end("east-agent-2", "SIGTERM");
    await mesh.start("east-agent-2");
    const now = await roleAt(mesh.eastApi2, "synced");
    assert.ok((now.catalog.epoch ?? 0) > (before.catalog.epoch ?? 0));
    assert.equal((await roleAt(mesh.eastApi, "standby")).catalog.heldBy?.instance.length, 36);
  });
});
