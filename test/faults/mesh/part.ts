import type { ChildProcess, SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";

/** How a process of a part is started, each time anew. */
export interface PartPlan {
  readonly spawn: (options: SpawnOptions) => ChildProcess;
  /** What it logs when it does its work. */
  readonly ready: string;
}

const startLimitMs = 60_000;
const keptBytes = 200_000;
const pageBytes = 4096;

/** One process of the program, with the children it has: killed, stopped and started again by name. */
export class Part implements AsyncDisposable {
  readonly name: string;
  readonly #plan: PartPlan;
  #child: ChildProcess | undefined;
  #out = "";
  #wake: () => void = () => {};

  constructor(name: string, plan: PartPlan) {
    this.name = name;
    this.#plan = plan;
  }

  /** What its lives of so far said, the newest last. */
  get out(): string {
    return this.#out;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when it says that it does its work; `env` is added to this process's. */
  async start({
    env = {},
  }: {
    readonly env?: Readonly<Record<string, string>>;
  } = {}): Promise<void> {
    if (this.isRunning) return;
    const before = this.#out.length;
    const child = this.#plan.spawn({
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    this.#child = child;
    const hear = (chunk: Buffer): void => {
      this.#out += chunk.toString("utf8");
      this.#wake();
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.on("exit", () => this.#wake());
    await this.said(this.#plan.ready, before);
    if (this.#out.length > keptBytes) this.#out = this.#out.slice(-keptBytes);
  }

  /** Resolves when a log line with that message came after the first `since` characters. */
  async said(message: string, since = 0): Promise<void> {
    const deadlineMs = performance.now() + startLimitMs;
    while (!this.#out.slice(since).includes(`"msg":"${message}"`)) {
      if (!this.isRunning) throw new Error(`${this.name} ended: ${this.#out.slice(-4000)}`);
      if (performance.now() > deadlineMs) {
        throw new Error(`${this.name} never said "${message}": ${this.#out.slice(-4000)}`);
      }
      await this.#news(200);
    }
  }

  /** SIGKILL to all of it at once; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** Resolves when it is gone. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isRunning) return;
    const exited = once(child, "exit");
    if (signal === "SIGKILL") await this.signal(signal);
    else child.kill(signal);
    await exited;
  }

  /** SIGTERM; how long it takes to end is its own to say. */
  terminate(): void {
    this.#child?.kill("SIGTERM");
  }

  /** To the process and all of its descendants, e.g. SIGSTOP and SIGCONT. */
  async signal(name: NodeJS.Signals): Promise<void> {
    for (const pid of await treeOf(this.pid)) signalPid(pid, name);
  }

  /** Resident bytes of the process and all of its descendants. */
  async memory(): Promise<number> {
    let pages = 0;
    for (const pid of await treeOf(this.pid)) {
      const statm = await readFile(`/proc/${pid}/statm`, "utf8").catch(() => "");
      pages += Number(statm.split(" ")[1] ?? 0);
    }
    return pages * pageBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #news(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** A process and its descendants, itself first. Asks no other process: those of a busy machine take long to read. */
async function treeOf(root: number): Promise<readonly number[]> {
  const tree = [root].filter((pid) => pid > 0);
  for (const pid of tree) {
    const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
    for (const task of tasks) {
      const file = `/proc/${pid}/task/${task}/children`;
      const children = await readFile(file, "utf8").catch(() => "");
      tree.push(...children.split(" ").filter(Boolean).map(Number));
    }
  }
  return tree;
}

function signalPid(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself.
  }
}
