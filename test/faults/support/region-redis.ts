import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Region, type Regions, regionNames } from "../../support/regions/regions.ts";

const redisPort = 6379;
const sentinelPort = 26_379;
const masterName = "mesh";
const startMs = 30_000;

/** A Redis in each region; their hub URLs. Regions end what runs in them. */
export async function hubInEachRegion(regions: Regions): Promise<readonly string[]> {
  for (const region of regionNames) await startServer(regions, region, []);
  return regionNames.map((region) => `redis://${regions.address(region)}:${redisPort}`);
}

/**
 * One Redis over three regions, as nobody should run it: the master in eu, a replica in each other
 * region, a sentinel in each. Its hub URL.
 */
export async function stretchedHub(regions: Regions): Promise<readonly string[]> {
  const master = regions.address("eu");
  for (const region of regionNames) {
    const follow = region === "eu" ? [] : ["--replicaof", master, String(redisPort)];
    await startServer(regions, region, ["--repl-diskless-sync-delay", "0", ...follow]);
  }
  for (const region of regionNames) await startSentinel(regions, { region, master });
  for (const region of regionNames) await untilComplete(regions, region);
  const sentinels = regionNames.map((region) => `${regions.address(region)}:${sentinelPort}`);
  return [`redis+sentinel://${sentinels.join(",")}/${masterName}`];
}

/** Writes of that member that a region's own server took and another region's does not have. */
export async function writesMissing(
  regions: Regions,
  of: { readonly member: string; readonly at: Region; readonly notAt: Region },
): Promise<number> {
  const log = `isthmus:{acme.mesh}:${of.member}:log`;
  const taken = Number(await ask(regions, of.at, [redisPort, "xlen", log]));
  return taken - Number(await ask(regions, of.notAt, [redisPort, "xlen", log]));
}

async function startServer(
  regions: Regions,
  region: Region,
  args: readonly string[],
): Promise<void> {
  const dir = join(regions.dir, `redis-${region}`);
  await mkdir(dir);
  const own = ["--port", String(redisPort), "--bind", regions.address(region), "--dir", dir];
  const rest = ["--save", "", "--protected-mode", "no", ...args];
  regions.spawn(region, ["redis-server", ...own, ...rest], { stdio: "ignore" });
  await until(async () => (await ask(regions, region, [redisPort, "ping"])).startsWith("PONG"));
}

async function startSentinel(
  regions: Regions,
  { region, master }: { readonly region: Region; readonly master: string },
): Promise<void> {
  const dir = join(regions.dir, `sentinel-${region}`);
  await mkdir(dir);
  const config = join(dir, "sentinel.conf");
  await writeFile(
    config,
    `port ${sentinelPort}
bind ${regions.address(region)}
dir ${dir}
protected-mode no
sentinel monitor ${masterName} ${master} ${redisPort} 2
sentinel down-after-milliseconds ${masterName} 1000
sentinel failover-timeout ${masterName} 5000
`,
  );
  regions.spawn(region, ["redis-server", config, "--sentinel"], { stdio: "ignore" });
}

/** Until a sentinel knows both replicas and both other sentinels. */
async function untilComplete(regions: Regions, region: Region): Promise<void> {
  await until(async () => {
    const out = await ask(regions, region, [sentinelPort, "sentinel", "master", masterName]);
    const lines = out.split("\n");
    const valueOf = (field: string): string | undefined => lines[lines.indexOf(field) + 1];
    return valueOf("num-slaves") === "2" && valueOf("num-other-sentinels") === "2";
  });
}

function ask(
  regions: Regions,
  region: Region,
  [port, ...words]: readonly [number, ...(readonly string[])],
): Promise<string> {
  const at = ["-h", regions.address(region), "-p", String(port)];
  return regions.exec(region, ["redis-cli", ...at, ...words]);
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadlineMs = Date.now() + startMs; Date.now() < deadlineMs; await wait(50)) {
    if (await isSo().catch(() => false)) return;
  }
  throw new Error("A server in a region did not start");
}
