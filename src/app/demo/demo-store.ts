import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createMemoryHub } from "../../discovery/io/catalog/memory-store.ts";
import { connectHub } from "../../discovery/io/catalog/redis/hub-console.ts";
import { charterIndexKey, shardKeys } from "../../discovery/io/catalog/redis/keys.ts";
import { hubNameOf, parseHubUrl } from "../../discovery/io/catalog/redis/link/hub-url.ts";
import type { RedisHub } from "../../discovery/io/catalog/redis/redis-hub.ts";
import { openRedisStore } from "../../discovery/io/catalog/redis/redis-store.ts";
import type { CatalogStore } from "../../discovery/shards/store.ts";
import { formatHostPort } from "../../mesh/address.ts";
import { type MemberName, type MeshDomain, parseMeshDomain } from "../../mesh/ids.ts";
import type { Log } from "../../mesh/ports.ts";
import { realClock, realTimers } from "../real-time.ts";
import { startLocalRedis } from "./local-redis.ts";

/** Where the demo's catalog lives. Without a url the demo starts a Redis of its own. */
export type DemoStoreChoice =
  | { readonly t: "memory" }
  | { readonly t: "redis"; readonly url?: string };

/** One hub for all agents; each of them has connections of its own. */
export interface DemoStore extends AsyncDisposable {
  readonly mesh: MeshDomain;
  /** For people: `the memory of this process`, `Redis at 127.0.0.1:18231, its own`. */
  readonly about: string;
  readonly connect: (log: Log) => CatalogStore;
}

const demoMesh = parseMeshDomain("demo.mesh");
const consoleLimitMs = 5000;

/** Throws MESH_ADDRESS_INVALID, MESH_CATALOG_UNAVAILABLE and MESH_UNREACHABLE. */
export async function openDemoStore(
  choice: DemoStoreChoice,
  world: {
    readonly dir: string;
    readonly members: readonly { readonly name: MemberName }[];
    readonly signal: AbortSignal;
  },
): Promise<DemoStore> {
  if (choice.t === "memory") return memoryStore();
  if (choice.url !== undefined) return foreignRedis(choice.url, world);
  const redis = await startLocalRedis({ dir: join(world.dir, "redis"), signal: world.signal });
  const name = formatHostPort(redis.address);
  return {
    mesh: demoMesh,
    about: `Redis at ${name}, its own`,
    connect: connectTo({ url: `redis://${name}`, name }, demoMesh),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  };
}

function memoryStore(): DemoStore {
  const hub = createMemoryHub({ name: "memory", timers: realTimers });
  return {
    mesh: demoMesh,
    about: "the memory of this process",
    connect: () => hub.connect(),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Somebody else's Redis: a name that nobody else uses there, and nothing is left behind. */
async function foreignRedis(
  url: string,
  { members, signal }: Parameters<typeof openDemoStore>[1],
): Promise<DemoStore> {
  const hub = { url, name: hubNameOf(parseHubUrl(url)) };
  const mesh = parseMeshDomain(`demo-${randomBytes(4).toString("hex")}.mesh`);
  const deps = { mesh, timers: realTimers, clock: realClock };
  const limited = (): AbortSignal => AbortSignal.timeout(consoleLimitMs);
  // Now, with its own words: later it would only be a demo that does not get on.
  await using _ = await connectHub(hub, deps, AbortSignal.any([signal, limited()]));
  return {
    mesh,
    about: `Redis at ${hub.name}`,
    connect: connectTo(hub, mesh),
    [Symbol.asyncDispose]: async () => {
      const keys = members.flatMap(({ name }) => {
        const { records, log, head, charter } = shardKeys(mesh, name);
        return [records, log, head, charter];
      });
      await using console = await connectHub(hub, deps, limited());
      await console.call("UNLINK", charterIndexKey(mesh), ...keys);
    },
  };
}

function connectTo(hub: RedisHub, mesh: MeshDomain): DemoStore["connect"] {
  const deps = { mesh, clock: realClock, timers: realTimers, random: Math.random };
  return (log) => openRedisStore(hub, { ...deps, log });
}
