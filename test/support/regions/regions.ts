import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type DelayLine, startDelayLine } from "./delay-line.ts";
import { startGuardian } from "./guardian.ts";
import { namespacePrefix, sweepStale } from "./stale.ts";

const run = promisify(execFile);

export type Region = "ap" | "eu" | "us";
export const regionNames: readonly Region[] = ["eu", "us", "ap"];

/** Each region has a /16 of its own; every address of it may be bound there. */
const networks: Readonly<Record<Region, string>> = { eu: "10.10", us: "10.20", ap: "10.30" };

/** As between Ireland, Virginia and Singapore, rounded down. */
const defaultRttMs: Readonly<Record<string, number>> = { "eu-us": 60, "us-ap": 90, "eu-ap": 120 };

export interface LinkState {
  readonly rttMs: number;
  readonly jitterMs: number;
  /** Of all packets, in each direction. */
  readonly lossRatio: number;
  /** 0: as fast as the machine. */
  readonly rateMbit: number;
}

type Pair = readonly [Region, Region];
const pairs: readonly Pair[] = [
  ["eu", "us"],
  ["us", "ap"],
  ["eu", "ap"],
];

/**
 * Three regions on one machine: a network namespace each, joined by links with the delays of the open
 * sea. Processes, files and namespaces are gone after `close`, and also when this process is killed.
 */
export interface Regions extends AsyncDisposable {
  /** Where a server of that region listens; `host` 1 to 254 tells several apart. */
  readonly address: (region: Region, host?: number) => string;
  /** A folder that goes away with the regions. */
  readonly dir: string;
  /** Starts a process inside a region. */
  readonly spawn: (
    region: Region,
    command: readonly string[],
    options?: SpawnOptions,
  ) => ChildProcess;
  /** Runs a command inside a region to its end; its standard output. */
  readonly exec: (region: Region, command: readonly string[]) => Promise<string>;
  /** Changes what the link is like; what is not named stays. */
  readonly link: (a: Region, b: Region, change: Partial<LinkState>) => Promise<void>;
  /** Packets vanish without a word, in both directions or only those from `a`. */
  readonly partition: (
    a: Region,
    b: Region,
    options?: { readonly isOneWay: boolean },
  ) => Promise<void>;
  /** Cuts a region off from both others. */
  readonly isolate: (region: Region) => Promise<void>;
  /** Ends all partitions. */
  readonly heal: () => Promise<void>;
}

/** Why there can be no regions here, or undefined. */
export function whyNoRegions(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux only";
  return process.getuid?.() === 0 ? undefined : "network namespaces need root";
}

export async function openRegions(): Promise<Regions> {
  await sweepStale();
  const dir = await mkdtemp(join(tmpdir(), "isthmus-regions-"));
  const prefix = await namespacePrefix();
  const namespaceOf = (region: Region): string => `${prefix}-${region}`;
  // First: from here on nothing is left behind, whatever happens.
  const guardian = startGuardian({ namespaces: regionNames.map(namespaceOf), dir });
  try {
    for (const region of regionNames) await run("ip", ["netns", "add", namespaceOf(region)]);
    const line = await startLine(dir, namespaceOf);
    await Promise.all(regionNames.map((region) => configure(region, namespaceOf(region))));
    return await regionsOver(line, { dir, namespaceOf, close: () => guardian.end() });
  } catch (thrown) {
    await guardian.end();
    throw thrown;
  }
}

async function startLine(dir: string, namespaceOf: (region: Region) => string): Promise<DelayLine> {
  const source = fileURLToPath(new URL("delay-line.c", import.meta.url));
  const program = join(dir, "delay-line");
  await run("gcc", ["-O2", "-o", program, source]);
  return await startDelayLine(
    program,
    pairs.map(([a, b]) => ({
      name: `${a}-${b}`,
      a: { namespace: namespaceOf(a), device: `wan-${b}` },
      b: { namespace: namespaceOf(b), device: `wan-${a}` },
    })),
  );
}

/** Addresses on the loopback device: a prefix there makes every address of it local. */
async function configure(region: Region, namespace: string): Promise<void> {
  const own = networks[region];
  const peers = regionNames.filter((peer) => peer !== region);
  const lines = [
    "link set lo up",
    `addr add ${own}.0.1/16 dev lo`,
    ...peers.flatMap((peer) => [
      `link set wan-${peer} up`,
      `route add ${networks[peer]}.0.0/16 dev wan-${peer} src ${own}.0.1`,
    ]),
  ];
  const child = spawn("ip", ["-n", namespace, "-batch", "-"], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.stdin.end(`${lines.join("\n")}\n`);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`Cannot configure region ${region}: ip ended with ${code}`);
}

async function regionsOver(
  line: DelayLine,
  at: {
    readonly dir: string;
    readonly namespaceOf: (region: Region) => string;
    readonly close: () => Promise<void>;
  },
): Promise<Regions> {
  const states = new Map<string, LinkState & { readonly cut: number }>();
  const set = async (name: string, change: Partial<LinkState & { cut: number }>): Promise<void> => {
    const fresh = {
      rttMs: defaultRttMs[name] ?? 0,
      jitterMs: 0,
      lossRatio: 0,
      rateMbit: 0,
      cut: 0,
    };
    const next = { ...fresh, ...states.get(name), ...change };
    states.set(name, next);
    await line.order(name, next);
  };
  for (const [a, b] of pairs) await set(`${a}-${b}`, {});

  const partition: Regions["partition"] = async (a, b, options) => {
    const { name, isTurned } = linkOf(a, b);
    const fromFirst = 1;
    const fromSecond = 2;
    const oneWay = isTurned ? fromSecond : fromFirst;
    await set(name, { cut: options?.isOneWay === true ? oneWay : fromFirst | fromSecond });
  };
  const command = (region: Region, argv: readonly string[]): readonly string[] => [
    "netns",
    "exec",
    at.namespaceOf(region),
    ...argv,
  ];
  return {
    dir: at.dir,
    address: (region, host = 1) => `${networks[region]}.0.${host}`,
    spawn: (region, argv, options = {}) => spawn("ip", command(region, argv), options),
    exec: async (region, argv) => (await run("ip", command(region, argv))).stdout,
    link: (a, b, change) => set(linkOf(a, b).name, change),
    partition,
    isolate: async (region) => {
      for (const peer of regionNames) if (peer !== region) await partition(region, peer);
    },
    heal: async () => {
      for (const [a, b] of pairs) await set(`${a}-${b}`, { cut: 0 });
    },
    [Symbol.asyncDispose]: async () => {
      await line.end();
      await at.close();
    },
  };
}

function linkOf(a: Region, b: Region): { readonly name: string; readonly isTurned: boolean } {
  const straight = pairs.some(([first, second]) => first === a && second === b);
  const turned = pairs.some(([first, second]) => first === b && second === a);
  if (!straight && !turned) throw new RangeError(`there is no link between ${a} and ${b}`);
  return { name: straight ? `${a}-${b}` : `${b}-${a}`, isTurned: turned };
}
