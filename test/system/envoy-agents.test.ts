// Envoys whose agent dies or hangs, and who have another one.
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { StatusAnswer } from "../../src/app/api-model.ts";
import { whyNot } from "../app/launcher/envoy/envoys.ts";
import { askUntil, until } from "../app/support/ask.ts";
import { Federation } from "./federation.ts";
import { startLoad } from "./steady-load.ts";

suite("two agents of a member by Envoy", { skip: whyNot(process.env["ISTHMUS_ENVOY"]) }, () => {
  let mesh: Federation;

  before(async () => {
    mesh = await Federation.make({ engine: "envoy" });
    await mesh.redis.start();
    await mesh.startAll(["east-agent", "west-agent"]);
    await mesh.startAll(["east-agent-2", "west-gateway", "west-cart", "east-frontend"]);
    await askUntil(mesh.url, "cart of west", { allowed: [], mayFail: true });
  });
  after(() => mesh[Symbol.asyncDispose]());

  const served = (api: string): Promise<StatusAnswer> =>
    until<StatusAnswer>(`${api}/api/v1/status`, ({ proxies }) => proxies.sidecars === 1);

  test("an Envoy asks the first agent, and the next one when that is killed; no request fails", async (t) => {
    await served(mesh.eastApi);
    await using load = startLoad(mesh.url);
    const startMs = performance.now();
    await mesh.end("east-agent", "SIGKILL");
    await served(mesh.eastApi2);
    t.diagnostic(`moved after ${Math.round(performance.now() - startMs)} ms`);
    await load.more(40);
    assert.deepEqual((await load.stop()).failures, []);
  });

  test("an Envoy leaves an agent that hangs", async (t) => {
    await mesh.start("east-agent");
    await using load = startLoad(mesh.url);
    const startMs = performance.now();
    mesh.program("east-agent-2").signal("SIGSTOP");
    await served(mesh.eastApi);
    t.diagnostic(`moved after ${Math.round(performance.now() - startMs)} ms`);
    mesh.program("east-agent-2").signal("SIGCONT");
    await load.more(40);
    assert.deepEqual((await load.stop()).failures, []);
  });
});
