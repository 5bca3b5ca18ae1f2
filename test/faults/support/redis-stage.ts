import { realClock, realTimers } from "../../../src/app/real-time.ts";
import type { RedisHub } from "../../../src/discovery/io/catalog/redis/redis-hub.ts";
import { openRedisStore } from "../../../src/discovery/io/catalog/redis/redis-store.ts";
import type {
  CatalogStore,
  ShardPosition,
  ShardWrite,
} from "../../../src/discovery/shards/store.ts";
import type { MemberName } from "../../../src/mesh/ids.ts";
import type { Log } from "../../../src/mesh/ports.ts";
import { east, mesh, silentLog, south, west } from "../../discovery/support/made.ts";
import { type FaultHub, type Federation, openFederation } from "./federation.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import type { Site } from "./site.ts";
import { openWire, type Wire } from "./wire.ts";

/** Members on hubs of one Redis server each; every member has its own wire to every hub. */
export interface RedisStage extends AsyncDisposable {
  readonly federation: Federation;
  readonly servers: readonly RedisServer[];
  readonly server: RedisServer;
  readonly east: Site;
  readonly west: Site;
  readonly south: Site;
  /** Between a member and a hub; the first hub unless told otherwise. */
  readonly wire: (site: Site, hub?: number) => Wire;
  readonly wires: readonly Wire[];
  /** A connection that no fault touches, to the first hub. */
  readonly judge: CatalogStore;
}

export const members: readonly MemberName[] = [east, west, south];

export interface RedisStageOptions {
  readonly hubs?: number;
  readonly args?: readonly string[];
  /** What members say to be let in. */
  readonly access?: (member: MemberName) => Partial<RedisHub>;
  /** Members reach the hub there, over TLS; whoever judges does not. */
  readonly tlsPort?: number;
  /** Runs before any member connects. */
  readonly prepare?: (server: RedisServer) => Promise<void>;
  readonly log?: Log;
}

export async function openRedisStage(options: RedisStageOptions = {}): Promise<RedisStage> {
  await using opened = new AsyncDisposableStack();
  const servers: RedisServer[] = [];
  const wires = new Map<string, Wire>();
  const hubs: FaultHub[] = [];
  for (let index = 0; index < (options.hubs ?? 1); index += 1) {
    const server = opened.use(await startRedis(options.args));
    servers.push(server);
    await options.prepare?.(server);
    const port = options.tlsPort ?? server.port;
    for (const member of members) {
      wires.set(`${index} ${member}`, opened.use(await openWire({ port })));
    }
    const name = `hub-${index + 1}`;
    const scheme = options.tlsPort === undefined ? "redis" : "rediss";
    const log = options.log ?? silentLog;
    const direct = `redis://127.0.0.1:${server.port}`;
    hubs.push({
      connect: (member) => {
        const url = `${scheme}://127.0.0.1:${wires.get(`${index} ${member}`)?.port ?? 0}`;
        return openStore({ url, name, ...options.access?.(member) }, log);
      },
      judge: openStore({ url: direct, name }, log),
      direct: () => openStore({ url: direct, name }, log),
    });
  }
  const federation = opened.use(
    await openFederation({ hubs, members, log: options.log ?? silentLog }),
  );
  const [server] = servers;
  const judge = hubs[0]?.judge;
  const [eastSite, westSite, southSite] = federation.sites;
  if (server === undefined || judge === undefined || !eastSite || !westSite || !southSite) {
    throw new RangeError("a stage needs a hub and three members");
  }
  const owned = opened.move();
  return {
    federation,
    servers,
    server,
    east: eastSite,
    west: westSite,
    south: southSite,
    wire: ({ member }, hub = 0) => {
      const wire = wires.get(`${hub} ${member}`);
      if (wire === undefined) throw new RangeError(`there is no wire from ${member} to hub ${hub}`);
      return wire;
    },
    wires: [...wires.values()],
    judge,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export function openStore(hub: RedisHub, log: Log = silentLog): CatalogStore {
  return openRedisStore(hub, {
    mesh,
    clock: realClock,
    timers: realTimers,
    random: Math.random,
    log,
  });
}

/** The keys of one member's shard in a hub. */
export function keysOf(member: MemberName): {
  readonly records: string;
  readonly log: string;
  readonly head: string;
} {
  const prefix = `isthmus:{${mesh}}:${member}`;
  return { records: `${prefix}:records`, log: `${prefix}:log`, head: `${prefix}:head` };
}

/** What a hub holds of one member, to be put back later: as a backup, or a replica that fell behind. */
export async function keepShard(
  server: RedisServer,
  member: MemberName,
): Promise<() => Promise<void>> {
  const kept = await Promise.all(
    Object.values(keysOf(member)).map(async (key) => [key, await server.dump(key)] as const),
  );
  return async () => {
    for (const [key, bytes] of kept) {
      if (bytes !== undefined) await server.command("RESTORE", key, 0, bytes, "REPLACE");
    }
  };
}

/** Writes over whatever stands there, as somebody with access and no rules would. */
export async function overwrite(
  hub: CatalogStore,
  write: Omit<ShardWrite, "expected" | "removed" | "t">,
): Promise<void> {
  const { signal } = new AbortController();
  let expected: ShardPosition | undefined;
  // Its owner may write at the same moment.
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const result = await hub.publish({ ...write, t: "whole", expected, removed: [] }, signal);
    if (result.t === "stored") return;
    expected = result.held?.position;
  }
  throw new Error("Cannot overwrite a shard: its owner is always faster");
}
