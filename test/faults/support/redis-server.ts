import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePorts } from "../../app/support/free-port.ts";

/** One Redis server of our own, with everything that can befall it. */
export interface RedisServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  /** Sends a command as the operator would. */
  readonly command: (...words: readonly (Buffer | number | string)[]) => Promise<unknown>;
  /** A key's content as Redis packs it; undefined: there is none. */
  readonly dump: (key: string) => Promise<Buffer | undefined>;
  /** It keeps its connections and answers nothing. */
  readonly hang: () => void;
  readonly resume: () => void;
  readonly kill: () => Promise<void>;
  /** On the same port, with what is on its disk. */
  readonly restart: () => Promise<void>;
}

/** Starts processes, perhaps somewhere else than here. */
export type Spawn = (command: readonly string[]) => ChildProcess;

export interface RedisSettings {
  readonly args?: readonly string[];
  readonly spawn?: Spawn;
  readonly host?: string;
  readonly port?: number;
  /** False: whoever starts it can not reach it, e.g. in a network namespace. */
  readonly isReachable?: boolean;
}

export const spawnHere: Spawn = ([command = "", ...args]) =>
  spawn(command, args, { stdio: "ignore" });

export async function startRedis(settings: RedisSettings = {}): Promise<RedisServer> {
  const { host = "127.0.0.1", args = [], isReachable = true } = settings;
  const dir = await mkdtemp(join(tmpdir(), "isthmus-redis-"));
  const port = settings.port ?? (await freePorts(1))[0] ?? 0;
  let child: ChildProcess | undefined;
  let client: Redis | undefined;

  const start = async (): Promise<void> => {
    const own = ["--port", port, "--bind", host, "--dir", dir, "--save", "", "--appendonly", "no"];
    child = (settings.spawn ?? spawnHere)(["redis-server", ...own.map(String), ...args]);
    if (!isReachable) return;
    client = new Redis({ host, port, lazyConnect: true, retryStrategy: () => 20 });
    client.on("error", () => {});
    await until(async () => (await client?.ping()) === "PONG");
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    client?.disconnect();
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await exited;
  };

  await start();
  return {
    host,
    port,
    dir,
    get pid() {
      return child?.pid ?? 0;
    },
    command: async (name, ...words) =>
      await client?.call(
        String(name),
        words.map((word) => (Buffer.isBuffer(word) ? word : String(word))),
      ),
    dump: async (key) => (await client?.dumpBuffer(key)) ?? undefined,
    hang: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    kill: () => end("SIGKILL"),
    restart: async () => {
      await end("SIGKILL");
      await start();
    },
    [Symbol.asyncDispose]: async () => {
      await end("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadlineMs = Date.now() + 20_000; ; ) {
    if (await isSo().catch(() => false)) return;
    if (Date.now() > deadlineMs) throw new Error("Redis did not start");
    await wait(10);
  }
}
