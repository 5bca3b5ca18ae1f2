/** An agent as an operator runs it: its own process, from the bundle; and what that process costs. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { freePorts } from "../../test/app/support/free-port.ts";
import { benchMesh, self, trustDir } from "./mesh-files.ts";

// A benchmark that is stopped leaves no agent behind.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const isServed = 200;
const bytesPerKb = 1024;

export interface AgentOrder {
  readonly dir: string;
  /** Tells files of several agents in one folder apart. */
  readonly name: string;
  /** What stands under `catalog:` besides the folder of copies. */
  readonly catalog: string;
  /** Default: one of its own. */
  readonly stateDir?: string;
  readonly hasSources?: boolean;
  /** What stands under `sources:`; default: the folder `services`. */
  readonly sources?: string;
}

export class AgentProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly xdsPort: number;
  readonly httpPort: number;
  /** Of the monotonic clock, when the process was made. */
  readonly startedAtMs: number;

  private constructor(child: ChildProcess, ports: { readonly xds: number; readonly http: number }) {
    this.#child = child;
    this.xdsPort = ports.xds;
    this.httpPort = ports.http;
    this.startedAtMs = performance.now();
    process.on("exit", this.#kill);
  }

  readonly #kill = (): void => {
    this.#child.kill("SIGKILL");
  };

  static async start(order: AgentOrder): Promise<AgentProcess> {
    const [xds = 0, http = 0] = await freePorts(2);
    const file = join(order.dir, `agent-${order.name}.yaml`);
    writeFileSync(file, configText(order, { xds, http }));
    // What V8 says of itself, where it was asked to.
    const asked = process.env["ISTHMUS_BENCH_NODE_FLAGS"];
    const flags = asked?.split(" ") ?? [];
    const stdout = asked === undefined ? "ignore" : "inherit";
    const args = [...flags, doorIn(order.dir), "agent", "--config", file];
    const child = spawn(process.execPath, args, { stdio: ["ignore", stdout, "inherit"] });
    return new AgentProcess(child, { xds, http });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when it serves proxies; returns ms since its process was made. */
  async warm(): Promise<number> {
    for (;;) {
      if (this.#child.exitCode !== null) throw new Error("the agent ended");
      if ((await this.#answer("/readyz")) === isServed) return performance.now() - this.startedAtMs;
      await wait(5);
    }
  }

  rssMB(): number {
    const kb = /^VmRSS:\s+(\d+) kB/m.exec(this.#proc("status"))?.[1];
    return (Number(kb) * bytesPerKb) / 1e6;
  }

  /** Time on a core of all its threads since the start. Source: Linux, sched-stats.rst. */
  cpuMs(): number {
    const threads = readdirSync(`/proc/${this.pid}/task`);
    const ns = threads.map((thread) => {
      try {
        return Number(this.#proc(`task/${thread}/schedstat`).split(" ")[0]);
      } catch {
        return 0;
      }
    });
    return ns.reduce((sum, one) => sum + one, 0) / 1e6;
  }

  /** Established TCP connections to that port of this machine. */
  connectionsTo(port: number): number {
    const inodes = new Set(
      readdirSync(`/proc/${this.pid}/fd`).flatMap((fd) => this.#socketInode(fd)),
    );
    const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
    return ["tcp", "tcp6"]
      .flatMap((table) => this.#proc(`net/${table}`).split("\n"))
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[2]?.endsWith(remote) === true && fields[3] === "01")
      .filter((fields) => inodes.has(fields[9] ?? "")).length;
  }

  /** As `GET` of its API answers. */
  async json(path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort}${path}`);
    return response.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.#kill);
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, "close");
    this.#child.kill("SIGTERM");
    await ended;
  }

  async #answer(path: string): Promise<number | undefined> {
    try {
      return (await fetch(`http://127.0.0.1:${this.httpPort}${path}`)).status;
    } catch {
      return undefined;
    }
  }

  #proc(file: string): string {
    return readFileSync(`/proc/${this.pid}/${file}`, "utf8");
  }

  #socketInode(fd: string): readonly string[] {
    try {
      const target = readlinkSync(`/proc/${this.pid}/fd/${fd}`);
      return /^socket:\[(\d+)\]$/.exec(target)?.slice(1) ?? [];
    } catch {
      return [];
    }
  }
}

/** A copy of the bundle: whoever edits the sources meanwhile does not change what is measured. */
export function bundleInto(dir: string): void {
  const { status } = spawnSync(process.execPath, ["scripts/build.mjs"], { stdio: "ignore" });
  if (status !== 0) throw new Error("the bundle cannot be built");
  copyFileSync("dist/isthmus.mjs", join(dir, "isthmus.mjs"));
  const bundle = pathToFileURL(join(dir, "isthmus.mjs")).href;
  // As bin/isthmus.mjs starts it.
  const door = `import { enableCompileCache } from "node:module";
enableCompileCache();
const { main } = await import(${JSON.stringify(bundle)});
process.exitCode = await main(process.argv.slice(2));
`;
  writeFileSync(doorIn(dir), door);
}

function doorIn(dir: string): string {
  return join(dir, "door.mjs");
}

function configText(
  order: AgentOrder,
  ports: { readonly xds: number; readonly http: number },
): string {
  const stateDir = order.stateDir ?? join(order.dir, `state-${order.name}`);
  return `mesh: ${benchMesh}
member: { name: ${self}, cloud: aws, region: region-0 }
trust: { dir: "${trustDir(order.dir, self)}" }
catalog: { ${order.catalog}, snapshotDir: "${stateDir}" }
${order.hasSources === false ? "" : `sources: ${order.sources ?? `[{ files: "${join(order.dir, "services")}" }]`}`}
xds: { listen: "127.0.0.1:${ports.xds}" }
http: { listen: "127.0.0.1:${ports.http}" }
logLevel: error
`;
}
