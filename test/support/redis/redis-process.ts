import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

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

// However the test ends, its standard input does too, and the server with it. Answers the server's pid.
const wrapper = `
redis-server "$@" < /dev/null > /dev/null 2>&1 &
echo $!
cat > /dev/null
kill -KILL $! 2> /dev/null
wait
`;
const startLimitMs = 20_000;

/** One redis-server or sentinel on loopback, and what can happen to it. */
export class RedisProcess implements AsyncDisposable {
  readonly port: number;
  readonly #options: RedisProcessOptions;
  #wrapper: ChildProcess | undefined;
  #pid = 0;

  constructor(options: RedisProcessOptions) {
    this.port = options.port;
    this.#options = options;
  }

  get pid(): number {
    return this.#pid;
  }

  async start(): Promise<void> {
    const { dir, port, args = [], files = {} } = this.#options;
    await mkdir(dir, { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(dir, name), text, { flag: "wx" }).catch(() => undefined);
    }
    const common = ["--dir", dir, "--logfile", join(dir, "log"), "--bind", "127.0.0.1"];
    const child = spawn("sh", ["-c", wrapper, "redis", ...args, ...common], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#wrapper = child;
    const [first] = (await once(child.stdout, "data")) as [Buffer];
    this.#pid = Number(String(first).trim());
    const deadlineMs = performance.now() + startLimitMs;
    while (!(await accepts(port))) {
      if (performance.now() > deadlineMs || !this.isAlive()) {
        const log = await readFile(join(dir, "log"), "utf8").catch(() => "no log");
        throw new Error(`redis-server on port ${port} does not start: ${log.slice(-2000)}`);
      }
      await delay(5);
    }
  }

  isAlive(): boolean {
    try {
      return process.kill(this.#pid, 0);
    } catch {
      return false;
    }
  }

  /** As a machine that loses power. */
  async kill(): Promise<void> {
    const child = this.#wrapper;
    this.#wrapper = undefined;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.stdin?.end();
    await exited;
  }

  /** Hangs: accepts connections and answers nothing. */
  stop(): void {
    process.kill(this.#pid, "SIGSTOP");
  }

  cont(): void {
    process.kill(this.#pid, "SIGCONT");
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
  const deadlineMs = performance.now() + startLimitMs;
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
