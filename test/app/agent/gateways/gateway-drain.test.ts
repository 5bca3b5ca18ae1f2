import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { MemberAnswer } from "../../../../src/app/api-model.ts";
import { askUntil, until } from "../../support/ask.ts";
import { freePorts } from "../../support/free-port.ts";
import { startApp, writeService } from "../../support/shop.ts";
import { SteadyLoad } from "../../support/steady-load.ts";
import { local, startCaller, TestMesh } from "../../support/test-mesh.ts";

interface TwoDoors extends AsyncDisposable {
  readonly mesh: TestMesh;
  readonly url: string;
  readonly doors: readonly {
    readonly port: number;
    readonly stop: (ms: number) => Promise<void>;
  }[];
  readonly reopen: (index: number) => Promise<void>;
  /** The states of east's gateways as west sees them, in the order of the doors. */
  readonly seen: (wanted: readonly string[]) => Promise<void>;
}

/** East serves behind two gateways; west calls it. */
async function openTwoDoors(): Promise<TwoDoors> {
  const mesh = await TestMesh.open();
  await mesh.issue("east", "us-east-1");
  await mesh.issue("west", "us-west-1");
  const [one = 0, two = 0, appPort = 0, inboundPort = 0] = await freePorts(4);
  const workloads = [{ name: "cart-1", port: appPort }];
  await writeService(mesh.servicesDir("east"), { name: "cart", isExported: true, workloads });
  await writeService(mesh.servicesDir("west"), { name: "other", isExported: false, workloads: [] });
  mesh.defer((await startApp("cart-1", appPort)).kill);
  const config = mesh.agentConfig("east", "us-east-1", one);
  const east = await mesh.startAgent({
    ...config,
    gateway: { addresses: [local(one), local(two)] },
  });
  const start = (port: number): ReturnType<TestMesh["startGateway"]> =>
    mesh.startGateway("east", { agent: east.xds, port });
  const gateways = await Promise.all([start(one), start(two)]);
  await mesh.startSidecar("east", {
    agent: east.xds,
    workload: "cart-1",
    serviceAccount: "cart",
    inbound: [{ endpoint: local(appPort), listen: local(inboundPort), app: local(appPort) }],
  });
  const west = await mesh.startAgent({
    ...mesh.agentConfig("west", "us-west-1", 1),
    gateway: { addresses: [] },
  });
  await Promise.all([east.whenWarm, west.whenWarm]);
  const { url } = await startCaller(mesh, { name: "west", agent: west });
  await askUntil(url, "cart-1", { allowed: [], mayFail: true });
  const seen = async (wanted: readonly string[]): Promise<void> => {
    await until<{ members: MemberAnswer[] }>(`${west.httpUrl}/api/v1/members`, ({ members }) => {
      const found = members.find(({ name }) => name === "east")?.gateways ?? [];
      const states = [one, two].map(
        (port) => found.find(({ address }) => address.endsWith(`:${port}`))?.state,
      );
      return states.join() === wanted.join();
    });
  };
  return {
    mesh,
    url,
    seen,
    doors: [one, two].map((port, index) => ({
      port,
      stop: async (ms) => await gateways[index]?.stop({ deadlineMs: ms }),
    })),
    reopen: async (index) => {
      gateways[index] = await start([one, two][index] ?? 0);
      await gateways[index]?.whenReady;
    },
    [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose](),
  };
}

suite("a gateway that ends in good order", () => {
  test("is left by everybody before it closes, and no request fails", async (t) => {
    await using set = await openTwoDoors();
    await set.seen(["live", "live"]);
    await using load = new SteadyLoad(set.url, { callers: 6, pauseMs: 1_300 });
    await load.more(200);
    const stopped = set.doors[0]?.stop(25_000);
    await set.seen(["draining", "live"]);
    await stopped;
    await load.more(200);
    assert.deepEqual(load.failures, []);
    await set.reopen(0);
    await set.seen(["live", "live"]);
    await set.doors[1]?.stop(25_000);
    await load.more(200);
    t.diagnostic(`${load.answered} answered, ${load.repeated} repeated`);
    assert.deepEqual(load.failures, []);
  });
});
