// One redis-server on loopback, in a folder of its own, that ends with the test.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../support/free-port.ts";

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  readonly dir: string;
}

const startMs = 10_000;

/** Resolves when it takes connections. `args` as on its command line. */
export async function startServer(...args: readonly string[]): Promise<TestServer> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-hub-"));
  const [port = 0] = await freePorts(1);
  const fixed = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""];
  const server = spawn("redis-server", [...fixed, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(server, "exit");
  let said = "";
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`redis-server does not start: ${said}`)),
      startMs,
    );
    const settle = (): void => clearTimeout(timer);
    server.once("exit", () => {
      settle();
      reject(new Error(`redis-server ended: ${said}`));
    });
    server.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (!/Ready to accept connections/.test(said)) return;
      settle();
      resolve();
    });
  });
  const stop = async (): Promise<void> => {
    server.kill("SIGKILL");
    await exited;
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await ready;
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return { port, url: `redis://127.0.0.1:${port}`, dir, [Symbol.asyncDispose]: stop };
}
