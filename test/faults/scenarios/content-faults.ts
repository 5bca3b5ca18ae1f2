import { setTimeout as wait } from "node:timers/promises";
import { peekHead, positionOf } from "../../../src/discovery/shards/head.ts";
import { createHandWriter } from "../../discovery/support/writer.ts";
import { type Fault, redisFault } from "../support/redis-fault.ts";
import { keepShard, keysOf, overwrite, type RedisStage } from "../support/redis-stage.ts";

/** What stands in a hub is not what its writer wrote. */
export const contentFaults: readonly Fault[] = [
  redisFault("gap", "an entry is missing in the middle of a log", {}, async (stage) => {
    const { server, west, wire } = stage;
    wire(west).silence();
    await wait(500);
    const id = await newestEntry(stage);
    await wait(500);
    await server.command("XDEL", keysOf(stage.east.member).log, id);
    await wire(west).heal();
  }),
  redisFault("trimmed-log", "a log is trimmed past a slow reader", {}, async (stage) => {
    const { server, west, wire, federation } = stage;
    wire(west).silence();
    federation.setLoad(100);
    await wait(1000);
    for (const { member } of federation.sites) {
      await server.command("XTRIM", keysOf(member).log, "MAXLEN", 1);
    }
    await wire(west).heal();
  }),
  redisFault("seq-goes-back", "one shard falls back to a backup", {}, async (stage) => {
    const restore = await keepShard(stage.server, stage.east.member);
    await wait(1000);
    await restore();
  }),
  redisFault(
    "half-written",
    "a writer without rules changes records and no head",
    {},
    async (stage) => {
      const { records } = keysOf(stage.east.member);
      const { server } = stage;
      await wait(500);
      const fields = (await server.command("HKEYS", records)) as string[];
      const [first = "", second = ""] = fields.filter((field) => field.startsWith("service/"));
      const bytes = (await server.command("HGET", records, first)) as string;
      await server.command("HSET", records, second, bytes);
      await server.command("HSET", records, "service/shop/invented", bytes);
    },
  ),
  redisFault("omitted-record", "a record vanishes from a hub", {}, async (stage) => {
    const { records } = keysOf(stage.east.member);
    const fields = (await stage.server.command("HKEYS", records)) as string[];
    const services = fields.filter((field) => field.startsWith("service/"));
    await wait(500);
    await stage.server.command("HDEL", records, ...services.slice(0, 5));
  }),
  redisFault("replayed-head", "an old head, well signed, comes back", {}, async (stage) => {
    const { head } = keysOf(stage.east.member);
    const old = await stage.server.dump(head);
    await wait(1500);
    for (let replay = 0; replay < 20; replay += 1) {
      if (old !== undefined) await stage.server.command("RESTORE", head, 0, old, "REPLACE");
      await wait(50);
    }
  }),
  redisFault("junk", "somebody writes junk over heads, records and logs", {}, async (stage) => {
    const { server } = stage;
    for (const { member } of stage.federation.sites) {
      const { records, log, head } = keysOf(member);
      await server.command("SET", head, "\u0000junk\u0000".repeat(50));
      await server.command("HSET", records, "service/shop/s-1", "{", "no key of ours", "x");
      await server.command("XADD", log, "*", "head", "junk", "changed", "junk");
      await wait(200);
      await server.command("XADD", log, "*", "h", "\u0000");
    }
  }),
  redisFault(
    "wrong-types",
    "keys become values of another type",
    {},
    async ({ server, federation }) => {
      for (const { member } of federation.sites) {
        const { records, log, head } = keysOf(member);
        await server.command("DEL", records, log, head);
        await server.command("SET", records, "a string");
        await server.command("SET", log, "a string");
        await server.command("LPUSH", head, "a list");
      }
      await wait(500);
      // What no script may touch, an operator has to remove.
      for (const { member } of federation.sites) {
        await server.command("DEL", ...Object.values(keysOf(member)));
      }
    },
  ),
  redisFault(
    "forged-shard",
    "another member signs an empty shard in this one's name",
    {},
    (stage) => forge(stage, "west"),
  ),
  redisFault("unsigned-shard", "a shard that nobody signed", {}, (stage) => forge(stage, "nobody")),
  redisFault("flushall", "FLUSHALL", {}, async ({ server }) => {
    await wait(500);
    await server.command("FLUSHALL");
  }),
  redisFault(
    "two-hubs-disagree",
    "one of two hubs is wiped, then falls back to a backup",
    { hubs: 2 },
    async (stage) => {
      const [, second] = stage.servers;
      if (second === undefined) return;
      const restores = await Promise.all(
        stage.federation.sites.map((site) => keepShard(second, site.member)),
      );
      await wait(1000);
      await second.command("FLUSHALL");
      await wait(500);
      for (const restore of restores) await restore();
    },
  ),
];

async function newestEntry({ server, east }: RedisStage): Promise<string> {
  const { log } = keysOf(east.member);
  const [entry] = (await server.command("XREVRANGE", log, "+", "-", "COUNT", 1)) as [string][];
  return entry?.[0] ?? "";
}

async function forge(stage: RedisStage, signer: "nobody" | "west"): Promise<void> {
  const { judge, east, west, federation } = stage;
  const nowMs = Date.now();
  const hand = createHandWriter(west.member, { trust: federation.trust, nowMs });
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const { head } = await hand.snapshot(new Map(), {
      member: east.member,
      epoch: nowMs + 10_000 + attempt,
      beat: 1000,
    });
    const found = peekHead(head.bytes);
    if (found === undefined) throw new Error("a head of our own cannot be read");
    const signature = signer === "west" ? head.signature : { bytes: new Uint8Array(64), chain: [] };
    await overwrite(judge, {
      member: east.member,
      position: positionOf(found),
      changed: new Map(),
      head: { bytes: head.bytes, signature },
    });
    await wait(100);
  }
}
