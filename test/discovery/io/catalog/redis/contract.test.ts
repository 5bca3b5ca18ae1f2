import { after, before } from "node:test";
import { openRedisStore } from "../../../../../src/discovery/io/catalog/redis/redis-store.ts";
import { parseMeshDomain } from "../../../../../src/mesh/ids.ts";
import { catalogStoreContract } from "../../../../contract/catalog-store.ts";
import {
  openCluster,
  openSentinel,
  openStandalone,
  openTls,
  type RedisShape,
} from "../../../../support/redis/topologies.ts";
import { storeDeps } from "./store-deps.ts";

const shapes: readonly (readonly [string, () => Promise<RedisShape>])[] = [
  ["redis, standalone", openStandalone],
  ["redis, TLS and ACL", openTls],
  ["redis, Sentinel", openSentinel],
  ["redis, Cluster", openCluster],
];
const open = new Map<string, RedisShape>();
let meshes = 0;

before(async () => {
  const starts = shapes.map(async ([name, start]) => open.set(name, await start()));
  // All of them, or those that come late would be left behind.
  const failed = (await Promise.allSettled(starts)).find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
});
after(async () => {
  for (const shape of open.values()) await shape[Symbol.asyncDispose]();
});

for (const [name] of shapes) {
  catalogStoreContract(name, async () => {
    const shape = open.get(name);
    if (shape === undefined) throw new Error(`${name} is not open`);
    meshes += 1;
    // Each test has the hub to itself because it has a mesh of its own.
    const deps = storeDeps(parseMeshDomain(`mesh-${meshes}.test`));
    return {
      connect: () => Promise.resolve(openRedisStore(shape.hub, deps)),
      close: () => Promise.resolve(),
    };
  });
}
