import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RedisHub } from "../../../src/discovery/io/catalog/redis/redis-hub.ts";
import { freePorts } from "../../app/support/free-port.ts";
import { RedisProcess, until } from "./redis-process.ts";
import { type TlsFiles, writeTlsFiles } from "./tls-files.ts";

/** Redis in one of its shapes, on loopback, with ports and a folder of its own. */
export interface RedisShape extends AsyncDisposable {
  readonly hub: RedisHub;
  readonly dir: string;
  /** Data servers, the first master first; sentinels are not among them. */
  readonly servers: readonly RedisProcess[];
  readonly sentinels: readonly RedisProcess[];
  /** The server that may be written now, for keys with that hash tag. */
  readonly master: (hashTag: string) => Promise<RedisProcess>;
}

const plain = { save: "", "repl-diskless-sync-delay": 0 };
/** How soon sentinels and cluster nodes give a server up: short, because tests wait for it. */
const failoverMs = 1000;

export async function openStandalone(args: readonly string[] = []): Promise<RedisShape> {
  return opened(async ({ dir, own }) => {
    const [port = 0] = await freePorts(1);
    const server = own(
      new RedisProcess({
        dir: join(dir, "server"),
        port,
        // With each write handed to the kernel at once, which keeps it when the process is killed.
        args: [...flags({ port, ...plain, appendonly: "yes", appendfsync: "no" }), ...args],
      }),
    );
    await server.start();
    return {
      hub: { url: `redis://127.0.0.1:${port}`, name: "standalone" },
      servers: [server],
      sentinels: [],
      master: () => Promise.resolve(server),
    };
  });
}

export interface TlsShape extends RedisShape {
  readonly files: TlsFiles;
  /** Writes the ACL file anew and has the server read it. */
  readonly setUsers: (lines: readonly string[]) => Promise<void>;
  readonly writeSecret: (name: string, text: string) => Promise<string>;
}

/** TLS only, users by ACL file; `admin` may do everything with the password `adminpw`. */
export async function openTls(users: readonly string[] = []): Promise<TlsShape> {
  return opened(async ({ dir, own }) => {
    const [port = 0] = await freePorts(1);
    const files = await writeTlsFiles(join(dir, "tls"));
    const aclFile = join(dir, "users.acl");
    const setUsers = async (lines: readonly string[]): Promise<void> => {
      const all = ["user default off", "user admin on >adminpw ~* &* +@all", ...lines];
      await writeFile(aclFile, `${all.join("\n")}\n`);
      if (server.pid !== 0) await server.cli("ACL", "LOAD");
    };
    const writeSecret = async (name: string, text: string): Promise<string> => {
      await writeFile(join(dir, name), text, { mode: 0o600 });
      return join(dir, name);
    };
    const login = ["--user", "admin", "--pass", "adminpw", "--no-auth-warning"];
    const certificate = ["--cert", files.certFile, "--key", files.keyFile];
    const tls = ["--tls", "--cacert", files.caFile, ...certificate];
    const server = own(
      new RedisProcess({
        dir: join(dir, "server"),
        port,
        args: flags({
          ...plain,
          port: 0,
          aclfile: aclFile,
          "tls-port": port,
          "tls-cert-file": files.serverCertFile,
          "tls-key-file": files.serverKeyFile,
          "tls-ca-cert-file": files.caFile,
          "tls-auth-clients": "optional",
        }),
        cliArgs: ["-p", String(port), ...tls, ...login],
      }),
    );
    await setUsers(users);
    await server.start();
    const passwordFile = await writeSecret("admin.pw", "adminpw\n");
    return {
      hub: {
        url: `rediss://127.0.0.1:${port}`,
        name: "tls",
        username: "admin",
        passwordFile,
        caFile: files.caFile,
      },
      servers: [server],
      sentinels: [],
      master: () => Promise.resolve(server),
      files,
      setUsers,
      writeSecret,
    };
  });
}

/** One master, two replicas, three sentinels that know each other; each has the others' addresses. */
export async function openSentinel(
  options: {
    readonly password?: string;
    /** The servers want the password, the sentinels let everybody ask. */
    readonly areSentinelsOpen?: boolean;
  } = {},
): Promise<RedisShape> {
  const { password, areSentinelsOpen = false } = options;
  const hasPassword = password !== undefined;
  const args = hasPassword ? flags({ requirepass: password, masterauth: password }) : [];
  const lines = hasPassword
    ? [
        `sentinel auth-pass mesh ${password}`,
        ...(areSentinelsOpen ? [] : [`requirepass ${password}`]),
      ]
    : [];
  const login = hasPassword ? ["-a", password, "--no-auth-warning"] : [];
  return opened(async ({ dir, own }) => {
    const ports = await freePorts(6);
    const [masterPort = 0] = ports;
    const servers = ports.slice(0, 3).map((port, index) =>
      own(
        new RedisProcess({
          dir: join(dir, `server-${index}`),
          port,
          args: [
            ...flags({ ...plain, port }),
            ...(index === 0 ? [] : flags({ replicaof: `127.0.0.1 ${masterPort}` })),
            ...args,
          ],
          cliArgs: ["-p", String(port), ...login],
        }),
      ),
    );
    const sentinelPorts = ports.slice(3);
    const sentinels = sentinelPorts.map((port, index) => {
      const folder = join(dir, `sentinel-${index}`);
      const others = sentinelPorts.filter((other) => other !== port);
      const conf = [
        `port ${port}`,
        `sentinel myid ${idOf(port)}`,
        `sentinel monitor mesh 127.0.0.1 ${masterPort} 2`,
        `sentinel down-after-milliseconds mesh ${failoverMs}`,
        "sentinel failover-timeout mesh 4000",
        ...lines,
        ...ports.slice(1, 3).map((replica) => `sentinel known-replica mesh 127.0.0.1 ${replica}`),
        ...others.map((other) => `sentinel known-sentinel mesh 127.0.0.1 ${other} ${idOf(other)}`),
      ];
      return own(
        new RedisProcess({
          dir: folder,
          port,
          args: [join(folder, "sentinel.conf"), "--sentinel"],
          files: { "sentinel.conf": `${conf.join("\n")}\n` },
          cliArgs: ["-p", String(port), ...login],
        }),
      );
    });
    await Promise.all(servers.map((server) => server.start()));
    await Promise.all(
      servers
        .slice(1)
        .map((replica) =>
          until("a replica follows", async () =>
            (await replica.cli("INFO", "replication")).includes("master_link_status:up"),
          ),
        ),
    );
    await Promise.all(sentinels.map((sentinel) => sentinel.start()));
    await Promise.all(
      sentinels.map((sentinel) =>
        until("sentinels agree", async () =>
          (await sentinel.cli("SENTINEL", "CKQUORUM", "mesh")).startsWith("OK 3"),
        ),
      ),
    );
    const hosts = sentinelPorts.map((port) => `127.0.0.1:${port}`).join(",");
    return {
      hub: { url: `redis+sentinel://${hosts}/mesh`, name: "sentinel" },
      servers,
      sentinels,
      master: async () => {
        const first = sentinels.find((one) => one.isAlive());
        const answer = await first?.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mesh");
        const port = Number(answer?.split("\n")[1]);
        return found(servers.find((server) => server.port === port));
      },
    };
  });
}

/** Three masters with a replica each. The nodes know each other from the start. */
export async function openCluster(
  options: { readonly args?: readonly string[]; readonly cliArgs?: readonly string[] } = {},
): Promise<RedisShape> {
  return opened(async ({ dir, own }) => {
    const ports = await freePorts(12);
    const nodes = ports.slice(0, 6).map((port, index) => ({
      id: idOf(port),
      port,
      busPort: ports[index + 6] ?? 0,
      masterOf: index < 3 ? ["0-5460", "5461-10922", "10923-16383"][index] : undefined,
      replicaOf: index < 3 ? undefined : idOf(ports[index - 3] ?? 0),
      epoch: (index % 3) + 1,
    }));
    const servers = nodes.map((self) => {
      const lines = nodes.map((node) => {
        const flags = node.replicaOf === undefined ? "master" : "slave";
        return [
          node.id,
          `127.0.0.1:${node.port}@${node.busPort}`,
          node === self ? `myself,${flags}` : flags,
          node.replicaOf ?? "-",
          `0 0 ${node.epoch} connected`,
          ...(node.masterOf === undefined ? [] : [node.masterOf]),
        ].join(" ");
      });
      const conf = [...lines, "vars currentEpoch 3 lastVoteEpoch 0", ""].join("\n");
      return own(
        new RedisProcess({
          dir: join(dir, `node-${self.port}`),
          port: self.port,
          args: [
            ...flags({ port: self.port, "cluster-port": self.busPort, ...plain }),
            ...flags({ "cluster-enabled": "yes", "cluster-config-file": "nodes.conf" }),
            ...flags({ "cluster-node-timeout": failoverMs * 2 }),
            ...(options.args ?? []),
          ],
          files: { "nodes.conf": conf },
          cliArgs: ["-p", String(self.port), ...(options.cliArgs ?? [])],
        }),
      );
    });
    await Promise.all(servers.map((server) => server.start()));
    await Promise.all(
      servers.map((server) =>
        until("the cluster is whole", async () => {
          const state = await server.cli("CLUSTER", "INFO");
          const role = await server.cli("INFO", "replication");
          const isLinked = role.includes("role:master") || role.includes("master_link_status:up");
          return state.includes("cluster_state:ok") && isLinked;
        }),
      ),
    );
    const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`).join(",");
    return {
      hub: { url: `redis+cluster://${hosts}`, name: "cluster" },
      servers,
      sentinels: [],
      master: (hashTag) => ownerOf(hashTag, servers),
    };
  });
}

/** Who has the slot, by the word of the first node that lives and answers. */
async function ownerOf(hashTag: string, servers: readonly RedisProcess[]): Promise<RedisProcess> {
  for (const asked of servers) {
    try {
      const slot = Number(await asked.cli("CLUSTER", "KEYSLOT", `{${hashTag}}`));
      const lines = (await asked.cli("CLUSTER", "NODES")).split("\n");
      const owner = lines.find((line) => {
        const [, , flags = "", , , , , , ...ranges] = line.split(" ");
        if (!flags.includes("master") || flags.includes("fail")) return false;
        return ranges.some((range) => {
          const [from = Number.NaN, to = from] = range.split("-").map(Number);
          return from <= slot && slot <= to;
        });
      });
      const port = Number(/:(\d+)@/.exec(owner ?? "")?.[1]);
      return found(servers.find((server) => server.port === port));
    } catch {
      // Dead or hung: the next one knows.
    }
  }
  throw new Error(`no node says who has the slot of ${hashTag}`);
}

interface Opening {
  readonly dir: string;
  readonly own: (server: RedisProcess) => RedisProcess;
}

/** A folder, the processes in it, and their end; also when the opening fails half-way. */
async function opened<Shape extends Omit<RedisShape, "dir" | typeof Symbol.asyncDispose>>(
  open: (opening: Opening) => Promise<Shape>,
): Promise<Shape & { readonly dir: string } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-redis-"));
  const processes: RedisProcess[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.all(processes.map((one) => one.kill()));
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const own = (server: RedisProcess): RedisProcess => {
    processes.push(server);
    return server;
  };
  try {
    const shape = await open({ dir, own });
    return { ...shape, dir, [Symbol.asyncDispose]: dispose };
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

function flags(settings: Readonly<Record<string, string | number>>): readonly string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** Forty hex digits, as nodes and sentinels call themselves. */
function idOf(port: number): string {
  return createHash("sha1").update(String(port)).digest("hex");
}

function found(server: RedisProcess | undefined): RedisProcess {
  if (server === undefined) throw new Error("no server of ours was named");
  return server;
}
