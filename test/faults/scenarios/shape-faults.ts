import { setTimeout as wait } from "node:timers/promises";
import { east, mesh, south, west } from "../../discovery/support/made.ts";
import type { RedisProcess } from "../../support/redis/redis-process.ts";
import { openCluster, openSentinel, type RedisShape } from "../../support/redis/topologies.ts";
import { type Fault, measureFault } from "../support/fault.ts";
import { openFederation } from "../support/federation.ts";
import { openStore } from "../support/redis-stage.ts";

/** Longer than a failover of these sets takes. */
const failoverMs = 6000;

/** Hubs that are more than one server. */
export const shapeFaults: readonly Fault[] = [
  shapeFault("sentinel-failover", "Sentinel: the master dies", openSentinel, async (shape) => {
    await (await shape.master(mesh)).kill();
    await wait(failoverMs);
  }),
  shapeFault(
    "sentinel-hang",
    "Sentinel: the master hangs, and comes back",
    openSentinel,
    async (shape) => {
      const master = await shape.master(mesh);
      master.stop();
      await wait(failoverMs);
      master.cont();
    },
  ),
  shapeFault(
    "sentinel-rollback",
    "Sentinel: a replica that fell behind takes over",
    openSentinel,
    async (shape) => {
      const master = await shape.master(mesh);
      const replicas = shape.servers.filter((server) => server !== master);
      for (const replica of replicas) replica.stop();
      await wait(800);
      await master.kill();
      for (const replica of replicas) replica.cont();
      await wait(failoverMs);
    },
  ),
  shapeFault(
    "cluster-failover",
    "Cluster: the node with the mesh's slot dies",
    openCluster,
    async (shape) => {
      await (await shape.master(mesh)).kill();
      await wait(failoverMs + 2000);
    },
  ),
  shapeFault(
    "cluster-hang",
    "Cluster: the node with the mesh's slot hangs, and comes back",
    openCluster,
    async (shape) => {
      const master = await shape.master(mesh);
      master.stop();
      await wait(failoverMs + 2000);
      master.cont();
    },
  ),
  shapeFault(
    "cluster-slot-moves",
    "Cluster: the mesh's slot moves, key by key (ASK, MOVED)",
    openCluster,
    moveSlot,
  ),
];

function shapeFault(
  name: string,
  title: string,
  open: () => Promise<RedisShape>,
  strike: (shape: RedisShape) => Promise<void>,
): Fault {
  return {
    name,
    title,
    run: async () => {
      await using shape = await open();
      const connect = (): ReturnType<typeof openStore> => openStore(shape.hub);
      await using federation = await openFederation({
        hubs: [{ connect, judge: connect(), direct: connect }],
        members: [east, west, south],
      });
      return await measureFault(federation, () => strike(shape));
    },
  };
}

/** As `redis-cli --cluster reshard` does it, slowly. Source: redis.io/commands/cluster-setslot */
async function moveSlot(shape: RedisShape): Promise<void> {
  const from = await shape.master(mesh);
  const slot = await from.cli("CLUSTER", "KEYSLOT", `{${mesh}}`);
  const to = await otherMaster(shape, from);
  const [fromId, toId] = [await from.cli("CLUSTER", "MYID"), await to.cli("CLUSTER", "MYID")];
  await to.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
  await from.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
  for (;;) {
    const keys = (await from.cli("CLUSTER", "GETKEYSINSLOT", slot, 1)).split("\n").filter(Boolean);
    const [key] = keys;
    if (key === undefined) break;
    await from.cli("MIGRATE", "127.0.0.1", to.port, key, 0, 1000);
    await wait(200);
  }
  await to.cli("CLUSTER", "SETSLOT", slot, "NODE", toId);
  await from.cli("CLUSTER", "SETSLOT", slot, "NODE", toId);
}

async function otherMaster(shape: RedisShape, not: RedisProcess): Promise<RedisProcess> {
  for (const server of shape.servers) {
    const isMaster = (await server.cli("INFO", "replication")).includes("role:master");
    if (isMaster && server !== not) return server;
  }
  throw new Error("the cluster has one master only");
}
