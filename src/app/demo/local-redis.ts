import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { access, mkdir, open, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import type { HostPort } from "../../mesh/address.ts";
import { MeshError } from "../../mesh/errors.ts";
import { freePorts } from "./free-ports.ts";
import { pause } from "./pause.ts";

/** A Redis of the demo's own: its port, its folder, its end. */
export interface LocalRedis extends AsyncDisposable {
  readonly address: HostPort;
}

const startLimitMs = 10_000;
const stopLimitMs = 2000;
const host = "127.0.0.1";

/** Its standard input is a leash: a demo that is killed lets go of it, and the server ends too. */
const leash = '"$@" & server=$!; read -r _; kill "$server"; wait "$server"';

/** Throws MESH_UNREACHABLE when there is no `redis-server`, or when it does not come up. */
export async function startLocalRedis(options: {
  readonly dir: string;
  readonly signal: AbortSignal;
}): Promise<LocalRedis> {
  const program = await findRedisServer();
  const { dir } = options;
  await mkdir(dir, { recursive: true });
  const [port = 0] = await freePorts(1);
  const logFile = join(dir, "redis.log");
  const log = await open(logFile, "a");
  const settings = {
    port: String(port),
    bind: host,
    dir,
    // Nothing to keep: members publish again whatever a hub has lost.
    save: "",
    appendonly: "no",
    "maxmemory-policy": "noeviction",
  };
  const argv = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  // Detached: a Ctrl-C is for the demo, which ends its agents before their hub.
  const child = spawn("/bin/sh", ["-c", leash, "sh", program, ...argv], {
    stdio: ["pipe", log.fd, log.fd],
    detached: true,
  });
  await log.close();
  const redis: LocalRedis = {
    address: { host, port },
    [Symbol.asyncDispose]: () => stop(child),
  };
  try {
    await whenListening(port, { child, ...options });
    return redis;
  } catch (thrown) {
    await stop(child);
    options.signal.throwIfAborted();
    throw new MeshError(
      "MESH_UNREACHABLE",
      `Cannot start ${program}: ${(await lastLine(logFile)) ?? "it says nothing"}`,
      { cause: thrown },
    );
  }
}

async function findRedisServer(): Promise<string> {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of folders) {
    for (const name of ["redis-server", "valkey-server"]) {
      const path = join(folder, name);
      const isThere = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return path;
    }
  }
  throw new MeshError(
    "MESH_UNREACHABLE",
    "Cannot find redis-server: none is in PATH; install it (Debian, Ubuntu: apt-get install redis-server;" +
      " Fedora: dnf install redis; macOS: brew install redis) or name a running one with --redis URL",
  );
}

async function whenListening(
  port: number,
  options: { readonly child: ChildProcess; readonly signal: AbortSignal },
): Promise<void> {
  const { child, signal } = options;
  const deadlineMs = performance.now() + startLimitMs;
  while (!(await takesConnections(port))) {
    signal.throwIfAborted();
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    if (performance.now() > deadlineMs) throw new Error("it does not listen");
    await pause(20, signal);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.stdin?.end();
  const timer = setTimeout(() => {
    // The group that this process began: the shell and its server.
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, stopLimitMs);
  await ended;
  clearTimeout(timer);
}

async function lastLine(file: string): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.trimEnd().split("\n").at(-1)?.trim() || undefined;
}
