import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import type { Log } from "../../../mesh/ports.ts";
import type { LogLevel } from "../../../telemetry/names.ts";
import { bootstrapFile } from "./bootstrap.ts";
import { envoyLogFormat } from "./log-line.ts";

export interface EnvoyProcessOptions {
  readonly binary: string;
  /** Envoy's working folder: holds `envoy/bootstrap.json` and `identity/`. */
  readonly folder: string;
  readonly workers: number;
  /** How long listeners that change or go away take to move their connections. */
  readonly drainSeconds: number;
  /** How often one before it has ended by itself: the agent is told. Default 0. */
  readonly restarts?: number;
  readonly logLevel: LogLevel;
  /** Told each line of Envoy's log. */
  readonly onLine: (line: string) => void;
  readonly log: Log;
}

/** One run of Envoy. It ends with this process, whatever ends this process. */
export class EnvoyProcess {
  /** Resolves when it has ended, with how. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;

  constructor(options: EnvoyProcessOptions) {
    // Ctrl-C in a terminal goes to the whole group, and Envoy would cut its connections at once.
    const child = spawn(options.binary, argumentsFor(options), {
      cwd: options.folder,
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    // A pid of 0 or less would be a whole group.
    const guard = child.pid === undefined ? undefined : guardFor(child.pid, options.log);
    const letGo = killAtExit(child);
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on("line", options.onLine);
    }
    this.ended = endOf(child).finally(() => {
      letGo();
      guard?.kill("SIGKILL");
    });
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#child.kill(signal);
  }
}

function argumentsFor(options: EnvoyProcessOptions): readonly string[] {
  const { restarts = 0 } = options;
  // Merged into the bootstrap.
  const again = JSON.stringify({ node: { metadata: { restarts } } });
  return [
    "--config-path",
    bootstrapFile,
    ...(restarts === 0 ? [] : ["--config-yaml", again]),
    "--concurrency",
    String(options.workers),
    // Its shared memory is named by a number of which a host has one, and nobody here restarts that way.
    "--disable-hot-restart",
    "--drain-time-s",
    String(options.drainSeconds),
    "--log-level",
    envoyLevels[options.logLevel],
    "--log-format",
    envoyLogFormat,
  ];
}

// One level quieter than ours: what Envoy calls info are the steps of its own start.
const envoyLevels: Readonly<Record<LogLevel, string>> = {
  silent: "off",
  error: "error",
  warn: "warning",
  info: "warning",
  debug: "info",
};

// Far longer than what it said takes to be read, for when something of its holds its pipe open.
const lastWordsMs = 200;

async function endOf(child: ChildProcess): Promise<string> {
  const said = new Promise((resolve) => child.once("close", resolve));
  const failed = once(child, "error").then(([error]: unknown[]) => String(error));
  const exited = once(child, "exit").then(async ([code, signal]: unknown[]) => {
    await Promise.race([said, wait(lastWordsMs)]);
    return typeof signal === "string"
      ? `it was ended by ${signal}`
      : `it ended with ${String(code)}`;
  });
  return Promise.race([failed, exited]);
}

const children = new Set<ChildProcess>();

/** One hook for all: several sidecars may share a process. */
function killAtExit(child: ChildProcess): () => void {
  if (children.size === 0) process.on("exit", killAll);
  children.add(child);
  return () => {
    children.delete(child);
    if (children.size === 0) process.off("exit", killAll);
  };
}

function killAll(): void {
  for (const child of children) child.kill("SIGKILL");
}

/**
 * A shell that waits for the end of its input, which comes when this process ends, however: then it ends
 * Envoy. Nothing that runs inside a process can do that after a SIGKILL.
 */
function guardFor(pid: number, log: Log): ChildProcess {
  const script = 'read -r _; kill -9 "$1"';
  const guard = spawn("sh", ["-c", script, "isthmus-envoy-guard", String(pid)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  guard.on("error", ({ message }) => {
    log.warn({ reason: message }, "Envoy would outlive this process if that were killed");
  });
  // Neither a guard nor its pipe holds this process alive.
  guard.unref();
  return guard;
}
