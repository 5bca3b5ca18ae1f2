// Members as separate processes on a real Redis: what is killed, restarted and replaced, and what that costs.
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { after, before, suite, test } from "node:test";
import type { MemberAnswer, ServiceAnswer, StatusAnswer } from "../../src/app/api-model.ts";
import { askUntil, until } from "../app/support/ask.ts";
import { Federation } from "./federation.ts";
import { startLoad } from "./steady-load.ts";

const cart = "cart of west";

suite("two members as processes on one Redis", () => {
  let mesh: Federation;

  before(async () => {
    mesh = await Federation.make();
    await mesh.redis.start();
    await mesh.startAll(["east-agent", "west-agent"]);
    await mesh.startAll(["west-gateway", "west-cart", "east-frontend"]);
    await askUntil(mesh.url, cart, { allowed: [], mayFail: true });
  });

  after(async () => {
    await mesh[Symbol.asyncDispose]();
  });

  /** What west exports now, east knows now. Nothing is withdrawn: a small member's guard would hold that. */
  const changeArrives = async (name: string): Promise<void> => {
    await mesh.export(name);
    await until<{ readonly services: readonly ServiceAnswer[] }>(
      `${mesh.eastApi}/api/v1/services`,
      ({ services }) => services.some(({ service }) => service === `shop/${name}`),
    );
  };

  test("an agent that is killed costs no request, and its next life goes on at once", async () => {
    await using load = startLoad(mesh.url);
    for (const agent of ["east-agent", "west-agent"] as const) {
      await mesh.end(agent, "SIGKILL");
      await load.more(60);
      await mesh.start(agent);
      await load.more(60);
    }
    await until<StatusAnswer>(
      `${mesh.eastApi}/api/v1/status`,
      ({ catalog, proxies }) => catalog.state === "synced" && proxies.sidecars === 1,
    );
    await changeArrives("after-kill");
    assert.deepEqual((await load.stop()).failures, []);
  });

  test("an agent that is replaced by a new process under load costs no request", async () => {
    await using load = startLoad(mesh.url);
    for (const agent of ["west-agent", "east-agent"] as const) {
      assert.equal(await mesh.end(agent, "SIGTERM"), 0);
      await mesh.start(agent);
      await load.more(60);
    }
    await changeArrives("after-upgrade");
    const { answered, failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.ok(answered > 120);
  });

  for (const part of ["west-gateway", "west-cart", "east-frontend"] as const) {
    test(`a ${part} that is killed carries requests again once it is back`, async () => {
      await mesh.end(part, "SIGKILL");
      await mesh.start(part);
      await askUntil(mesh.url, cart, { allowed: [], mayFail: true });
      await using load = startLoad(mesh.url);
      await load.more(60);
      assert.deepEqual((await load.stop()).failures, []);
    });
  }

  test("a Redis that is killed and comes back empty costs no request, and changes go on after it", async () => {
    await using load = startLoad(mesh.url);
    await mesh.redis.kill();
    await until<StatusAnswer>(`${mesh.eastApi}/api/v1/status`, ({ catalog }) =>
      catalog.hubs.every(
        ({ state, lastError }) => state === "unreachable" && lastError !== undefined,
      ),
    );
    assert.match(await mesh.ask("status"), /hub +127\.0\.0\.1:\d+: unreachable for .*last error/);
    assert.match(await mesh.ask("check"), /CATALOG_HUB_UNREACHABLE/);
    await load.more(60);
    await mesh.redis.restart("lost");
    await changeArrives("after-loss");
    await until<{ readonly members: readonly MemberAnswer[] }>(
      `${mesh.eastApi}/api/v1/members`,
      ({ members }) => members.every(({ state }) => state === "live" || state === "self"),
    );
    assert.deepEqual((await load.stop()).failures, []);
  });

  test("an agent that restarts with every hub down serves what its disk knows", async () => {
    await using load = startLoad(mesh.url);
    // The copy on disk follows within ten seconds; an agent that ends in good order writes it at once.
    await mesh.redis.kill();
    assert.equal(await mesh.end("east-agent", "SIGTERM"), 0);
    await mesh.start("east-agent");
    assert.match(await mesh.ask("endpoints", "shop/cart"), /west .*gateway +healthy/);
    // A sidecar that knows nothing yet gets the other member's endpoints from this agent.
    await mesh.end("east-frontend", "SIGTERM");
    const { failures } = await load.stop();
    await mesh.start("east-frontend");
    await askUntil(mesh.url, cart, { allowed: [], mayFail: true });
    assert.deepEqual(
      failures.filter((reason) => !/ECONNREFUSED|ECONNRESET|other side closed/.test(reason)),
      [],
    );
    await mesh.redis.start();
    await changeArrives("after-disk");
  });

  test("an agent that restarts with every hub down and no disk takes nothing away from its proxies", async () => {
    await using load = startLoad(mesh.url);
    await mesh.redis.kill();
    await mesh.end("east-agent", "SIGKILL");
    await rm(mesh.file("east", "state"), { recursive: true });
    // It waits for its hubs for half a minute, then it serves what it has.
    const restarted = await mesh.start("east-agent");
    await restarted.said("Proxy connected");
    await load.more(120);
    await mesh.redis.start();
    await changeArrives("after-nothing");
    assert.deepEqual((await load.stop()).failures, []);
  });
});
