import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { freePorts } from "../../app/support/free-port.ts";
import { type Regions, regionNames } from "../../support/regions/regions.ts";
import { type RedisServer, type Spawn, spawnHere, startRedis } from "./redis-server.ts";

/** A master, two replicas and three sentinels. */
export interface SentinelSet {
  /** The first one is the master. */
  readonly servers: readonly RedisServer[];
  readonly url: string;
}

/** Where one server and one sentinel run. */
interface Node {
  readonly host: string;
  readonly redisPort: number;
  readonly sentinelPort: number;
  readonly spawn: Spawn;
  /** Runs a command there; its standard output. */
  readonly ask: (command: readonly string[]) => Promise<string>;
  /** From this process. */
  readonly isReachable: boolean;
}

const masterName = "mesh";
const startMs = 30_000;
const run = promisify(execFile);

export async function localSentinels(opened: AsyncDisposableStack): Promise<SentinelSet> {
  const ports = await freePorts(6);
  const nodes = [0, 1, 2].map(
    (index): Node => ({
      host: "127.0.0.1",
      redisPort: ports[index] ?? 0,
      sentinelPort: ports[index + 3] ?? 0,
      spawn: spawnHere,
      ask: async ([command = "", ...args]) => (await run(command, args)).stdout,
      isReachable: true,
    }),
  );
  return await startSet(nodes, opened);
}

/** One Redis over three regions, as nobody should run it; its master is in eu. */
export async function stretchedSentinels(
  regions: Regions,
  opened: AsyncDisposableStack,
): Promise<SentinelSet> {
  const nodes = regionNames.map(
    (region): Node => ({
      host: regions.address(region),
      redisPort: 6379,
      sentinelPort: 26_379,
      spawn: (command) => regions.spawn(region, command, { stdio: "ignore" }),
      ask: (command) => regions.exec(region, command),
      isReachable: false,
    }),
  );
  return await startSet(nodes, opened);
}

async function startSet(
  nodes: readonly Node[],
  opened: AsyncDisposableStack,
): Promise<SentinelSet> {
  const [master] = nodes;
  if (master === undefined) throw new RangeError("a set of no servers");
  const dir = await mkdtemp(join(tmpdir(), "isthmus-sentinel-"));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const servers: RedisServer[] = [];
  for (const { host, redisPort, spawn, isReachable } of nodes) {
    const follow = servers.length === 0 ? [] : ["--replicaof", master.host, `${master.redisPort}`];
    const args = ["--protected-mode", "no", "--repl-diskless-sync-delay", "0", ...follow];
    servers.push(opened.use(await startRedis({ host, port: redisPort, spawn, isReachable, args })));
  }
  for (const node of nodes) await startSentinel(node, { master, dir, opened });
  for (const node of nodes) await untilComplete(node);
  const sentinels = nodes.map(({ host, sentinelPort }) => `${host}:${sentinelPort}`);
  return { servers, url: `redis+sentinel://${sentinels.join(",")}/${masterName}` };
}

async function startSentinel(
  node: Node,
  of: { readonly master: Node; readonly dir: string; readonly opened: AsyncDisposableStack },
): Promise<void> {
  const { master, opened } = of;
  const dir = join(of.dir, `${node.host}-${node.sentinelPort}`);
  await mkdir(dir);
  const config = join(dir, "sentinel.conf");
  await writeFile(
    config,
    `port ${node.sentinelPort}
bind ${node.host}
dir ${dir}
protected-mode no
sentinel monitor ${masterName} ${master.host} ${master.redisPort} 2
sentinel down-after-milliseconds ${masterName} 1000
sentinel failover-timeout ${masterName} 5000
`,
  );
  const child = node.spawn(["redis-server", config, "--sentinel"]);
  opened.defer(async () => void child.kill("SIGKILL"));
}

/** Until a sentinel knows both replicas and both other sentinels. */
async function untilComplete(node: Node): Promise<void> {
  const at = ["-h", node.host, "-p", String(node.sentinelPort)];
  for (const deadlineMs = Date.now() + startMs; Date.now() < deadlineMs; await wait(50)) {
    const out = await node
      .ask(["redis-cli", ...at, "sentinel", "master", masterName])
      .catch(() => "");
    const lines = out.split("\n");
    const valueOf = (field: string): string | undefined => lines[lines.indexOf(field) + 1];
    if (valueOf("num-slaves") === "2" && valueOf("num-other-sentinels") === "2") return;
  }
  throw new Error(`The sentinel at ${node.host}:${node.sentinelPort} knows too little`);
}
