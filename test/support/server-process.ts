import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface ServerProcessOptions {
  /** As errors call it. */
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  /** Takes its output; begun anew at each start. */
  readonly logFile: string;
  /** Asked after the start until it says yes; throws or says no before. */
  readonly isReady: () => Promise<boolean>;
}

// However the test ends, its standard input does too, and the program with it. Answers the program's pid. Killed, as an
// API server that is asked to end waits for its watches. A signal for the whole group must not end the wrapper first.
const wrapper = `
trap '' TERM INT HUP
log=$1; shift
"$@" < /dev/null > "$log" 2>&1 &
echo $!
cat > /dev/null
kill -KILL $! 2> /dev/null
wait
`;
const startLimitMs = 60_000;

/** A server that is not ours, on loopback, and what can happen to it. */
export class ServerProcess implements AsyncDisposable {
  readonly #options: ServerProcessOptions;
  #wrapper: ChildProcess | undefined;
  #pid = 0;

  constructor(options: ServerProcessOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#pid;
  }

  /** Resolves when it is ready; after a kill it starts again, on the same ports and data. */
  async start(): Promise<void> {
    const { name, command, logFile, isReady } = this.#options;
    // A bench may outlive the shell that began it.
    if (process.env["NODE_TEST_CONTEXT"] !== undefined) await import("./end-with-parent.ts");
    await mkdir(dirname(logFile), { recursive: true });
    const child = spawn("sh", ["-c", wrapper, "sh", logFile, ...command], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#wrapper = child;
    const [first] = (await once(child.stdout, "data")) as [Buffer];
    this.#pid = Number(String(first).trim());
    const deadlineMs = performance.now() + startLimitMs;
    while (!(await isReady().catch(() => false))) {
      if (performance.now() > deadlineMs || !this.isAlive()) {
        const log = await readFile(logFile, "utf8").catch(() => "no log");
        await this.kill();
        throw new Error(`${name} does not start: ${log.slice(-3000)}`);
      }
      await delay(10);
    }
  }

  isAlive(): boolean {
    return this.#wrapper !== undefined && isRunning(this.#pid);
  }

  /** As a machine that loses power; one that hangs goes as well. */
  async kill(): Promise<void> {
    const child = this.#wrapper;
    this.#wrapper = undefined;
    if (child === undefined) return;
    const exited = once(child, "exit");
    child.stdin?.end();
    await exited;
  }

  /** Hangs: its kernel accepts connections, and nothing is answered. */
  stop(): void {
    process.kill(this.#pid, "SIGSTOP");
  }

  cont(): void {
    process.kill(this.#pid, "SIGCONT");
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Memory that it holds now. */
  async rssBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
