import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { shardKeys } from "../../../../../src/discovery/io/catalog/redis/keys.ts";
import { HubFailure } from "../../../../../src/discovery/io/catalog/redis/link/hub-failure.ts";
import { openRedisStore } from "../../../../../src/discovery/io/catalog/redis/redis-store.ts";
import type { CatalogStore } from "../../../../../src/discovery/shards/store.ts";
import { logStart } from "../../../../../src/discovery/shards/store.ts";
import { type MeshDomain, parseMemberName, parseMeshDomain } from "../../../../../src/mesh/ids.ts";
import type { RedisProcess } from "../../../../support/redis/redis-process.ts";
import { openStandalone, type RedisShape } from "../../../../support/redis/topologies.ts";
import { at, east, eventually, force, noSignal, recordsIn, west, writeOf } from "./made-writes.ts";
import { storeDeps } from "./store-deps.ts";

let shape: RedisShape;
let server: RedisProcess;
let meshes = 0;

before(async () => {
  shape = await openStandalone(["--maxmemory-policy", "noeviction"]);
  [server = server] = shape.servers;
});
after(() => shape[Symbol.asyncDispose]());

/** A mesh of its own for each test. */
async function withStore(
  run: (store: CatalogStore, mesh: MeshDomain) => Promise<void>,
): Promise<void> {
  meshes += 1;
  const mesh = parseMeshDomain(`mesh-${meshes}.real`);
  await using store = openRedisStore(shape.hub, storeDeps(mesh));
  await run(store, mesh);
}

async function refusal(call: Promise<unknown>): Promise<HubFailure> {
  try {
    await call;
  } catch (thrown) {
    const cause = thrown instanceof Error ? thrown.cause : undefined;
    assert.ok(cause instanceof HubFailure, String(thrown));
    return cause;
  }
  throw new assert.AssertionError({ message: "the call was not refused" });
}

suite("a store at a real server", () => {
  test("writes keep their order when the server forgets its scripts in between", async () => {
    await withStore(async (store) => {
      await force(store, { to: at(1, 1), changed: { n: "1" } });
      const step = (seq: number): Promise<unknown> =>
        store.publish(
          writeOf("delta", { from: at(1, seq - 1), to: at(1, seq), changed: { n: String(seq) } }),
          noSignal,
        );
      await step(2);
      await server.cli("SCRIPT", "FLUSH");
      const results = await Promise.all(Array.from({ length: 40 }, (_, index) => step(index + 3)));
      assert.deepEqual(new Set(results.map((one) => JSON.stringify(one))).size, 1);
      assert.deepEqual(await recordsIn(store), { n: "42" });
    });
  });

  test("full memory refuses a write whole: nothing of it is done, and later ones go on", async () => {
    await withStore(async (store) => {
      await force(store, { to: at(1, 1), changed: { a: "1", b: "2" } });
      await server.cli("CONFIG", "SET", "maxmemory", "1");
      try {
        for (const write of [
          writeOf("whole", { from: at(1, 1), to: at(2, 1), changed: { c: "3" } }),
          writeOf("delta", { from: at(1, 1), to: at(1, 2), changed: { a: "9" }, removed: ["b"] }),
          writeOf("delta", { from: at(1, 1), to: at(1, 2), removed: ["a", "b"] }),
          writeOf("beat", { from: at(1, 1), to: at(1, 1) }),
        ]) {
          const { kind, message } = await refusal(store.publish(write, noSignal));
          assert.equal(kind, "full");
          assert.match(message, /maxmemory/);
        }
        assert.deepEqual(await recordsIn(store), { a: "1", b: "2" });
      } finally {
        await server.cli("CONFIG", "SET", "maxmemory", "0");
      }
      const delta = writeOf("delta", { from: at(1, 1), to: at(1, 2), removed: ["b"] });
      assert.deepEqual(await store.publish(delta, noSignal), { t: "stored" });
      assert.deepEqual(await recordsIn(store), { a: "1" });
    });
  });

  test("a server that became a replica is left, and written again when it is master", async () => {
    await withStore(async (store) => {
      await force(store, { to: at(1, 1), changed: { a: "1" } });
      await server.cli("REPLICAOF", "127.0.0.1", "1");
      const write = writeOf("delta", { from: at(1, 1), to: at(1, 2), changed: { a: "2" } });
      const { kind } = await refusal(store.publish(write, noSignal));
      assert.equal(kind, "replica");
      await server.cli("REPLICAOF", "NO", "ONE");
      assert.deepEqual(await eventually(() => store.publish(write, noSignal)), { t: "stored" });
    });
  });

  test("a server that hangs is given up with a reason, and works again when it goes on", async () => {
    await withStore(async (store) => {
      await force(store, { to: at(1, 1), changed: { a: "1" } });
      server.stop();
      try {
        assert.equal((await refusal(store.readHeads([east], { signal: noSignal }))).kind, "silent");
      } finally {
        server.cont();
      }
      assert.equal((await eventually(() => store.readHeads([east], { signal: noSignal }))).size, 1);
    });
  });

  test("a server that was killed is found again, with what it kept and with nothing", async () => {
    await withStore(async (store) => {
      await force(store, { to: at(1, 1), changed: { a: "1" } });
      for (const [data, left] of [
        ["kept", { a: "1" }],
        ["lost", undefined],
      ] as const) {
        await server.restart(data);
        assert.deepEqual(await eventually(() => recordsIn(store)), left);
      }
    });
  });

  test("one member's junk does not keep the others from being read", async () => {
    await withStore(async (store, mesh) => {
      await store.publish(
        writeOf("whole", { to: at(1, 1), changed: { a: "1" }, member: west }),
        noSignal,
      );
      const { records, log, head, charter } = shardKeys(mesh, east);
      await server.cli("SET", log, "no stream");
      await server.cli("SET", records, "no hash");
      await server.cli("LPUSH", head, "no string");
      await server.cli("LPUSH", charter, "no string");
      await server.cli("SET", `isthmus:{${mesh}}:charters`, "no sorted set");
      const heads = await store.readHeads([east, west], { signal: noSignal });
      assert.deepEqual([...heads.keys()], [west]);
      assert.equal(await store.readSnapshot(east, noSignal), undefined);
      assert.deepEqual(await recordsIn(store, west), { a: "1" });
      assert.deepEqual(await store.readCharters({ above: 0 }, noSignal), []);
      const cursors = new Map([east, west].map((member) => [member, logStart]));
      const entries = await eventually(async () => {
        const read = await store.readLog(cursors, { waitMs: 1, signal: noSignal });
        if (read.length === 0) throw new Error("nothing yet");
        return read;
      });
      assert.deepEqual(
        entries.map(({ member }) => member),
        [west],
      );
    });
  });

  test("whoever owns the keys writes over junk that stands there", async () => {
    await withStore(async (store, mesh) => {
      const { records, log, head } = shardKeys(mesh, east);
      await server.cli("SET", log, "no stream");
      await server.cli("SET", records, "no hash");
      await server.cli("SET", head, "no head");
      assert.deepEqual(await force(store, { to: at(1, 1), changed: { a: "1" } }), { t: "stored" });
      await server.cli("SET", head, "isthmus1 9 9 abc\n1-0\njunk");
      assert.deepEqual(await force(store, { to: at(2, 1), changed: { a: "2" } }), { t: "stored" });
      assert.deepEqual(await recordsIn(store), { a: "2" });
      const charter = { bytes: Buffer.from("c"), signature: Buffer.from("s"), signer: "root" };
      await server.cli("SET", `isthmus:{${mesh}}:charters`, "no sorted set");
      await store.putCharter({ member: east, number: 2, charter }, noSignal);
      assert.equal((await store.readCharters({ above: 1 }, noSignal)).length, 1);
    });
  });

  test("a shard that is too large counts as none and costs the others nothing", async () => {
    await withStore(async (store, mesh) => {
      await force(store, { to: at(1, 1), changed: { a: "1" } });
      const { records } = shardKeys(mesh, east);
      const fill = `for i = 1, 70 do redis.call('HSET', KEYS[1], i, string.rep('x', 1048576)) end`;
      // Not into the file that keeps the data: that would only cost the test time.
      await server.cli("CONFIG", "SET", "appendonly", "no");
      await server.cli("EVAL", fill, 1, records);
      assert.equal(await store.readSnapshot(east, noSignal), undefined);
      await server.cli("DEL", records);
      assert.deepEqual(await recordsIn(store), {});
    });
  });

  test("a huge head is read no further than a head can be long", async () => {
    await withStore(async (store, mesh) => {
      await server.cli(
        "EVAL",
        "redis.call('SETRANGE', KEYS[1], 100000000, 'x')",
        1,
        shardKeys(mesh, east).head,
      );
      assert.equal((await store.readHeads([east], { signal: noSignal })).size, 0);
      await server.cli("DEL", shardKeys(mesh, east).head);
    });
  });

  test("a log of enormous entries does not keep the others' from being read", async () => {
    await withStore(async (store, mesh) => {
      await store.publish(
        writeOf("whole", { to: at(1, 1), changed: { a: "1" }, member: west }),
        noSignal,
      );
      const fill =
        "for i = 1, 110 do redis.call('XADD', KEYS[1], '*', 'c', string.rep('x', 1048576)) end";
      const { log } = shardKeys(mesh, east);
      await server.cli("EVAL", fill, 1, log);
      const cursors = new Map([east, west].map((member) => [member, logStart]));
      const seen = new Set<string>();
      await eventually(async () => {
        const read = await store.readLog(cursors, { waitMs: 1, signal: noSignal });
        for (const { member, cursor } of read) {
          cursors.set(member, cursor);
          seen.add(member);
        }
        if (!seen.has(west)) throw new Error("nothing of west yet");
      });
      await server.cli("DEL", log);
    });
  });

  test("a member that nobody knows is found however many names are praised", async () => {
    await withStore(async (store, mesh) => {
      const index = `isthmus:{${mesh}}:charters`;
      const flood = "for i = 1, 1000 do redis.call('ZADD', KEYS[1], 1000000, 'fake-' .. i) end";
      await server.cli("EVAL", flood, 1, index);
      const charter = { bytes: Buffer.from("c"), signature: Buffer.from("s"), signer: "root" };
      const stranger = parseMemberName("stranger");
      await store.putCharter({ member: stranger, number: 2, charter }, noSignal);
      const found = await eventually(async () => {
        const charters = await store.readCharters({ above: 1 }, noSignal);
        if (charters.length === 0) throw new Error("not on this page");
        return charters;
      });
      assert.equal(Buffer.from(found[0]?.bytes ?? []).toString(), "c");
    });
  });

  test("the log keeps the newest thousand or so", async () => {
    await withStore(async (store, mesh) => {
      await force(store, { to: at(1, 1), changed: { n: "1" } });
      const steps = Array.from({ length: 3000 }, (_, index) => index + 2);
      await Promise.all(
        steps.map((seq) =>
          store.publish(
            writeOf("delta", { from: at(1, seq - 1), to: at(1, seq), changed: { n: "x" } }),
            noSignal,
          ),
        ),
      );
      const length = Number(await server.cli("XLEN", shardKeys(mesh, east).log));
      assert.ok(length >= 1024 && length < 1400, String(length));
    });
  });

  test("entries signed by a certificate that was replaced send the reader to the snapshot", async () => {
    await withStore(async (store, mesh) => {
      const head = (chain: string) => ({
        bytes: Buffer.from(chain),
        signature: { bytes: Buffer.from("s"), chain: [Buffer.from(chain)] },
      });
      const write = writeOf("whole", { to: at(1, 1), changed: { a: "1" } });
      await store.publish({ ...write, head: head("old") }, noSignal);
      const next = writeOf("delta", { from: at(1, 1), to: at(1, 2), changed: { a: "2" } });
      await store.publish({ ...next, head: head("new") }, noSignal);
      // A reader that starts now never saw the old certificate.
      await using reader = openRedisStore(shape.hub, storeDeps(mesh));
      const cursors = new Map([[east, logStart]]);
      const entries = await reader.readLog(cursors, { waitMs: 1, signal: noSignal });
      assert.deepEqual(
        entries.map((entry) => [entry.t, Buffer.from(entry.head.bytes).toString()]),
        [
          ["whole", "new"],
          ["delta", "new"],
        ],
      );
    });
  });
});
