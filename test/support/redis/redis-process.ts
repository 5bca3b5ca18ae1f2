import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { ServerProcess } from "../server-process.ts";

const run = promisify(execFile);

/** What a process is started with; the folder is its own and is emptied when its data is lost. */
export interface RedisProcessOptions {
  readonly dir: string;
  readonly port: number;
  readonly args?: readonly string[];
  /** Written into the folder at each start without data. */
  readonly files?: Readonly<Record<string, string>>;
  /** What `redis-cli` needs to get in. */
  readonly cliArgs?: readonly string[];
}

const patienceMs = 20_000;

/** One redis-server or sentinel on loopback, and what can happen to it. */
export class RedisProcess implements AsyncDisposable {
  readonly port: number;
  readonly #options: RedisProcessOptions;
  readonly #server: ServerProcess;

  constructor(options: RedisProcessOptions) {
    const { dir, port, args = [] } = options;
    this.port = port;
    this.#options = options;
    this.#server = new ServerProcess({
      name: `redis-server on port ${port}`,
      command: ["redis-server", ...args, "--dir", dir, "--bind", "127.0.0.1"],
      logFile: join(dir, "log"),
      isReady: () => accepts(port),
    });
  }

  get pid(): number {
    return this.#server.pid;
  }

  async start(): Promise<void> {
    const { dir, files = {} } = this.#options;
    await mkdir(dir, { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(dir, name), text, { flag: "wx" }).catch(() => undefined);
    }
    await this.#server.start();
  }

  isAlive(): boolean {
    return this.#server.isAlive();
  }

  /** As a machine that loses power. */
  kill(): Promise<void> {
    return this.#server.kill();
  }

  /** Hangs: accepts connections and answers nothing. */
  stop(): void {
    this.#server.stop();
  }

  cont(): void {
    this.#server.cont();
  }

  async restart(data: "kept" | "lost"): Promise<void> {
    await this.kill();
    if (data === "lost") await rm(this.#options.dir, { recursive: true, force: true });
    await this.start();
  }

  /** One command by `redis-cli`; its answer as text. Throws where the server refuses. */
  async cli(...command: readonly (string | number)[]): Promise<string> {
    const login = this.#options.cliArgs ?? ["-p", String(this.port)];
    const { stdout } = await run("redis-cli", ["-e", ...login, ...command.map(String)], {
      timeout: 10_000,
      maxBuffer: 1 << 26,
    });
    return stdout.replace(/\n$/, "");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** Asks until the answer is yes; what is waited for is said when it never comes. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    if (await isSo().catch(() => false)) return;
    if (performance.now() > deadlineMs) throw new Error(`It never came true: ${what}`);
    await delay(10);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
