import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePorts } from "../../app/support/free-port.ts";
import { RedisProcess } from "../../support/redis/redis-process.ts";

/** One Redis on loopback, and what an operator or an accident does to it. */
export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  /** Sends a command as the operator would. */
  readonly command: (
    name: string,
    ...words: readonly (Buffer | number | string)[]
  ) => Promise<unknown>;
  /** A key's content as Redis packs it; undefined: there is none. */
  readonly dump: (key: string) => Promise<Buffer | undefined>;
  /** It keeps its connections and answers nothing. */
  readonly hang: () => void;
  readonly resume: () => void;
  readonly kill: () => Promise<void>;
  /** On the same port, with what was saved on its disk. */
  readonly restart: () => Promise<void>;
}

export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-redis-"));
  const [port = 0] = await freePorts(1);
  const own = ["--port", String(port), "--save", "", ...args];
  const server = new RedisProcess({ dir, port, args: own });
  await server.start();
  const client = new Redis({ host: "127.0.0.1", port, retryStrategy: () => 20 });
  // It comes back whenever the server does.
  client.on("error", () => undefined);
  return {
    port,
    command: async (name, ...words) =>
      await client.call(
        name,
        words.map((word) => (typeof word === "number" ? String(word) : word)),
      ),
    dump: async (key) => (await client.dumpBuffer(key)) ?? undefined,
    hang: () => server.stop(),
    resume: () => server.cont(),
    kill: () => server.kill(),
    restart: () => server.restart("kept"),
    [Symbol.asyncDispose]: async () => {
      client.disconnect();
      await server.kill();
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
