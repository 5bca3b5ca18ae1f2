import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Duplex } from "node:stream";
import { connect } from "node:tls";

export type Mode = "rr" | "conn" | "bulk";

export interface Sample {
  /** Requests or connections. */
  readonly perSecond: number;
  readonly megabytesPerSecond: number;
  readonly p99Us: number;
  readonly failures: number;
  /** CPU of the measured processes. */
  readonly cpuUsPerItem: number;
}

interface Line {
  readonly port?: number;
  readonly begin?: boolean;
  readonly count?: number;
  readonly bytes?: number;
  readonly seconds?: number;
  readonly failures?: number;
  readonly p99us?: number;
  readonly ready?: number;
}

/** Compiles the generator into `dir`. */
export function buildGenerator(dir: string): string {
  const binary = join(dir, "load");
  const source = new URL("./load.c", import.meta.url).pathname;
  const { status, stderr } = spawnSync(process.env["CC"] ?? "gcc", ["-O2", "-o", binary, source], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`Cannot compile ${source}: ${stderr}`);
  return binary;
}

/** A real ClientHello with the hybrid key share, as Node's TLS sends it. */
export async function recordHello(file: string, sni: string): Promise<string> {
  const sink = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, done) => (writeFileSync(file, chunk), done()),
  });
  const session = connect({
    socket: sink,
    servername: sni,
    ecdhCurve: "X25519MLKEM768:X25519:P-256",
  });
  session.on("error", () => {});
  while (!sink.writableLength && !isWritten(file))
    await new Promise((resolve) => setTimeout(resolve, 5));
  session.destroy();
  return file;
}

function isWritten(file: string): boolean {
  try {
    return readFileSync(file).length > 0;
  } catch {
    return false;
  }
}

export class Generator {
  readonly #binary: string;
  readonly #children: ChildProcess[] = [];

  constructor(binary: string) {
    this.#binary = binary;
  }

  /** Starts a backend; with `skipsHello` each connection begins with one. */
  async serve({ skipsHello }: { readonly skipsHello: boolean }): Promise<number> {
    const child = this.#spawn(["serve", "0", skipsHello ? "1" : "0"]);
    for await (const line of linesOf(child)) if (line.port !== undefined) return line.port;
    throw new Error("Cannot start the backend");
  }

  /** One run against `port`; `pids` are the proxy's processes. */
  async run(
    mode: Mode,
    options: {
      port: number;
      hello: string;
      connections: number;
      seconds: number;
      pids: readonly number[];
    },
  ): Promise<Sample> {
    const { port, hello, connections, seconds, pids } = options;
    const child = this.#spawn([mode, String(port), hello, String(connections), String(seconds)]);
    let cpuAtBegin = 0;
    for await (const line of linesOf(child)) {
      if (line.begin === true) cpuAtBegin = cpuUs(pids);
      if (line.seconds === undefined) continue;
      const spentUs = cpuUs(pids) - cpuAtBegin;
      const { count = 0, bytes = 0, failures = 0, p99us = 0 } = line;
      return {
        perSecond: count / line.seconds,
        megabytesPerSecond: bytes / line.seconds / 1e6,
        p99Us: p99us,
        failures,
        cpuUsPerItem: mode === "bulk" ? spentUs / (bytes / 1e9) : spentUs / Math.max(1, count),
      };
    }
    throw new Error(`Cannot measure ${mode} on port ${port}`);
  }

  /** Kilobytes of resident memory that each idle connection costs the proxy. */
  async idleKilobytes(options: {
    port: number;
    hello: string;
    connections: number;
    pids: readonly number[];
  }): Promise<number> {
    const { port, hello, connections, pids } = options;
    const before = residentKilobytes(pids);
    const child = this.#spawn(["idle", String(port), hello, String(connections), "0"]);
    for await (const line of linesOf(child)) {
      if (line.ready === undefined) continue;
      // Garbage of the connecting phase is no cost of an idle connection.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      const after = residentKilobytes(pids);
      child.stdin?.end();
      await once(child, "exit");
      return (after - before) / connections;
    }
    throw new Error(`Cannot hold ${connections} connections on port ${port}`);
  }

  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #spawn(args: readonly string[]): ChildProcess {
    const child = spawn(this.#binary, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.push(child);
    return child;
  }
}

async function* linesOf(child: ChildProcess): AsyncGenerator<Line> {
  if (child.stdout === null) return;
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line) as Line;
}

/** User and system time of the processes since their start. */
export function cpuUs(pids: readonly number[]): number {
  // Linux: USER_HZ is 100 on every architecture we run on.
  const usPerTick = 10_000;
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) * usPerTick;
  }, 0);
}

function residentKilobytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return sum + Number(match?.[1] ?? 0);
  }, 0);
}
