import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";

import type { Identity } from "../../src/mesh/ports.ts";
import type { PlainIdentity, Setup } from "./embedded.ts";

/** A proxy under measurement. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly pids: readonly number[];
  readonly close: () => void;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Provided by the repository's own script, pinned by hash. */
export function envoyBinary(): string {
  const script = new URL("../../scripts/envoy.mjs", import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr.trim());
  return stdout.trim();
}

/** One worker, only what the configuration says. */
export async function startEnvoy(options: {
  readonly dir: string;
  readonly name: string;
  readonly config: object;
  readonly port: number;
}): Promise<Peer> {
  const { dir, name, config, port } = options;
  const file = join(dir, `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  const args = ["-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"];
  const child = spawn(envoyBinary(), args, { stdio: ["ignore", "ignore", "inherit"] });
  return ready({ name, port, child });
}

export async function startHaproxy(options: {
  readonly dir: string;
  readonly config: string;
  readonly port: number;
}): Promise<Peer> {
  const file = join(options.dir, "haproxy.cfg");
  writeFileSync(file, options.config);
  const child = spawn(process.env["ISTHMUS_HAPROXY"] ?? "haproxy", ["-f", file, "-db", "-q"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return ready({ name: "haproxy", port: options.port, child });
}

/** A process of ours that prints `ready` when it serves. */
export async function startEmbedded(options: {
  readonly name: string;
  readonly setup: Setup;
}): Promise<Peer> {
  const script = new URL("./embedded.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(options.setup));
  await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  return ready({ name: options.name, port: options.setup.port, child });
}

export function plainIdentity({ privateKeyPem, ...identity }: Identity): PlainIdentity {
  return { ...identity, privateKeyText: privateKeyPem.reveal() };
}

/** Whatever ends the benchmark ends its children. */
function endWithUs(child: ChildProcess): void {
  process.once("exit", () => child.kill("SIGKILL"));
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.setMaxListeners(100);

async function ready({
  name,
  port,
  child,
}: {
  name: string;
  port: number;
  child: ChildProcess;
}): Promise<Peer> {
  endWithUs(child);
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null)
      throw new Error(`Cannot start ${name}: it ended with ${child.exitCode}`);
    if (await answers(port))
      return { name, port, pids: [child.pid ?? 0], close: () => child.kill("SIGKILL") };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Cannot start ${name}: nothing listens on ${port}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("connect", () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });
}
