import { setTimeout as wait } from "node:timers/promises";
import { east, south, west } from "../../discovery/support/made.ts";
import { type Fault, measureFault } from "../support/fault.ts";
import { type Federation, openFederation } from "../support/federation.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { openStore } from "../support/redis-stage.ts";
import { localSentinels } from "../support/sentinel-set.ts";

/** Longer than a failover of these sets takes: 1 s to notice, some more to vote. */
const failoverMs = 6000;

/** Hubs that are more than one server. */
export const shapeFaults: readonly Fault[] = [
  sentinelFault("sentinel-failover", "Sentinel: the master dies", async ([master]) => {
    await master?.kill();
    await wait(failoverMs);
  }),
  sentinelFault("sentinel-hang", "Sentinel: the master hangs", async ([master]) => {
    master?.hang();
    await wait(failoverMs);
    master?.resume();
  }),
  sentinelFault(
    "sentinel-rollback",
    "Sentinel: a replica that fell behind takes over",
    async (servers) => {
      const [master, ...replicas] = servers;
      for (const replica of replicas) replica.hang();
      await wait(800);
      await master?.kill();
      for (const replica of replicas) replica.resume();
      await wait(failoverMs);
    },
  ),
];

function sentinelFault(
  name: string,
  title: string,
  strike: (servers: readonly RedisServer[]) => Promise<void>,
): Fault {
  return {
    name,
    title,
    run: async () => {
      await using opened = new AsyncDisposableStack();
      const { servers, url } = await localSentinels(opened);
      const federation = opened.use(await onHub(url));
      return await measureFault(federation, () => strike(servers));
    },
  };
}

async function onHub(url: string): Promise<Federation> {
  const connect = (): ReturnType<typeof openStore> => openStore({ url, name: "hub" });
  return await openFederation({
    hubs: [{ connect, judge: connect() }],
    members: [east, west, south],
  });
}
