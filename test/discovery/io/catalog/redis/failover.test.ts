import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openRedisStore } from "../../../../../src/discovery/io/catalog/redis/redis-store.ts";
import type { CatalogStore } from "../../../../../src/discovery/shards/store.ts";
import { logStart } from "../../../../../src/discovery/shards/store.ts";
import { type RedisProcess, until } from "../../../../support/redis/redis-process.ts";
import {
  openCluster,
  openSentinel,
  type RedisShape,
} from "../../../../support/redis/topologies.ts";
import { at, east, eventually, force, noSignal, recordsIn, writeOf } from "./made-writes.ts";
import { storeDeps, testMesh } from "./store-deps.ts";

/** Written and read over both connections, as long as it takes. */
async function works(store: CatalogStore, epoch: number): Promise<void> {
  await eventually(async () => {
    assert.equal(
      (await force(store, { to: at(epoch, 1), changed: { e: `${epoch}` } })).t,
      "stored",
    );
  });
  await eventually(async () => {
    const cursors = new Map([[east, logStart]]);
    const entries = await store.readLog(cursors, { waitMs: 100, signal: noSignal });
    assert.ok(entries.length > 0);
  });
}

async function withShape(
  open: () => Promise<RedisShape>,
  run: (store: CatalogStore, shape: RedisShape, master: RedisProcess) => Promise<void>,
): Promise<void> {
  await using shape = await open();
  await using store = openRedisStore(shape.hub, storeDeps());
  await works(store, 1);
  await run(store, shape, await shape.master(testMesh));
}

for (const [name, open] of [
  ["Sentinel", openSentinel],
  ["Cluster", openCluster],
] as const) {
  suite(`a store over ${name}`, () => {
    test("goes on at the new master when the old one dies, and back when that is all there is", async () => {
      await withShape(open, async (store, shape, master) => {
        const before = store.server?.();
        assert.equal(before?.address, `127.0.0.1:${master.port}`);
        await master.kill();
        await works(store, 2);
        const next = await shape.master(testMesh);
        assert.notEqual(next.port, master.port);
        const after = store.server?.();
        assert.equal(after?.address, `127.0.0.1:${next.port}`);
        assert.notEqual(after?.sinceMs, before?.sinceMs);
        await master.start();
        await works(store, 3);
      });
    });

    test("goes on at the new master when the old one hangs, and does not go back to it", async () => {
      await withShape(open, async (store, shape, master) => {
        master.stop();
        try {
          await works(store, 2);
        } finally {
          master.cont();
        }
        await until("the old master follows the new one", async () =>
          (await master.cli("INFO", "replication")).includes("role:slave"),
        );
        await works(store, 3);
        assert.notEqual((await shape.master(testMesh)).port, master.port);
      });
    });
  });
}

suite("a store over Sentinel, cut off with the old master", () => {
  test("leaves a master that answers as soon as the sentinels name another one", async () => {
    await withShape(openSentinel, async (store, shape, master) => {
      // The sentinels cannot tell it: it takes itself for the master and goes on answering.
      const deaf = ["-multi", "-slaveof", "-replicaof", "-client|kill"];
      await master.cli("ACL", "SETUSER", "default", ...deaf);
      await shape.sentinels[0]?.cli("SENTINEL", "FAILOVER", "mesh");
      await until("another one is the master", async () => {
        const now = await shape.master(testMesh);
        return now.port !== master.port;
      });
      const next = await shape.master(testMesh);
      await eventually(async () => {
        await force(store, { to: at(2, 1), changed: { a: "2" } });
        const key = `isthmus:{${testMesh}}:east:head`;
        assert.match(await next.cli("GETRANGE", key, 0, 20), /^isthmus1 2 1/);
      });
      assert.match(await master.cli("INFO", "replication"), /role:master/);
    });
  });
});

suite("a store over Cluster, while its slot moves", () => {
  /** Moves the mesh's slot as `redis-cli --cluster reshard` does, with a stop in between. */
  async function moveSlot(
    shape: RedisShape,
    from: RedisProcess,
    halfway: () => Promise<void>,
  ): Promise<void> {
    const to = shape.servers.slice(0, 3).find((one) => one !== from);
    assert.ok(to !== undefined);
    const slot = await from.cli("CLUSTER", "KEYSLOT", `{${testMesh}}`);
    const [fromId, toId] = await Promise.all([
      from.cli("CLUSTER", "MYID"),
      to.cli("CLUSTER", "MYID"),
    ]);
    await to.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await from.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    const keys = (await from.cli("CLUSTER", "GETKEYSINSLOT", slot, 100)).split("\n");
    const [first = "", ...others] = keys;
    const migrate = (...some: readonly string[]): Promise<string> =>
      from.cli("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", ...some);
    await migrate(first);
    await halfway();
    await migrate(...others);
    for (const node of [to, from]) await node.cli("CLUSTER", "SETSLOT", slot, "NODE", toId);
  }

  test("waits while it is on its way, loses nothing, and follows it", async () => {
    await withShape(openCluster, async (store, shape, master) => {
      await force(store, { to: at(2, 1), changed: { a: "1", b: "2" } });
      await moveSlot(shape, master, async () => {
        // Half of the keys are here, half are there: nothing can be written as one.
        const write = writeOf("delta", { from: at(2, 1), to: at(2, 2), changed: { a: "9" } });
        await assert.rejects(store.publish(write, noSignal), /slot/);
      });
      assert.deepEqual(await eventually(() => recordsIn(store)), { a: "1", b: "2" });
      await works(store, 3);
    });
  });
});
