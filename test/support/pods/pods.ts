import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startGuardian } from "../regions/guardian.ts";
import { namespacePrefix, sweepStale } from "../regions/stale.ts";

const run = promisify(execFile);

/** Where the pods are, and what of them is no pod. */
export const nodeAddress = { v4: "10.77.0.1", v6: "fd77::1" } as const;
/** Of the node too, but from none of the networks that are private. */
export const strangeAddress = "203.0.113.9";

/**
 * Pods of one node: a network namespace each, with an IPv4 and an IPv6 address of its own, behind a bridge in
 * the node's. ClusterIPs lead nowhere: there is no kube-proxy. All is gone after `close`, and also when
 * this process is killed.
 */
export interface Pods<Name extends string> extends AsyncDisposable {
  readonly address: (pod: Name, family?: "v4" | "v6") => string;
  /** A folder that goes away with the pods. */
  readonly dir: string;
  readonly spawn: (
    where: Name | "node",
    command: readonly string[],
    options?: SpawnOptions,
  ) => ChildProcess;
  /** Runs a command to its end. */
  readonly exec: (where: Name | "node", command: readonly string[]) => Promise<Ran>;
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Names are lower-case letters only. */
export async function openPods<const Name extends string>(
  names: readonly Name[],
): Promise<Pods<Name>> {
  await sweepStale();
  const dir = await mkdtemp(join(tmpdir(), "isthmus-pods-"));
  const prefix = await namespacePrefix();
  const namespaceOf = (where: Name | "node"): string => `${prefix}-${where}`;
  const all = ["node" as const, ...names];
  // First: from here on nothing is left behind, whatever happens.
  const guardian = startGuardian({ namespaces: all.map(namespaceOf), dir });
  const address: Pods<Name>["address"] = (pod, family = "v4") => {
    const number = names.indexOf(pod) + 11;
    return family === "v4" ? `10.77.0.${number}` : `fd77::${number}`;
  };
  try {
    for (const where of all) await run("ip", ["netns", "add", namespaceOf(where)]);
    await batch(namespaceOf("node"), nodeLines(names, namespaceOf));
    for (const name of names) {
      await batch(namespaceOf(name), podLines([address(name), address(name, "v6")]));
    }
    await run("ip", ["netns", "exec", namespaceOf("node"), "sysctl", "-qw", ...forwarding]);
  } catch (thrown) {
    await guardian.end();
    throw thrown;
  }
  const command = (where: Name | "node", argv: readonly string[]): readonly string[] => [
    "netns",
    "exec",
    namespaceOf(where),
    ...argv,
  ];
  return {
    dir,
    address,
    spawn: (where, argv, options = {}) => spawn("ip", command(where, argv), options),
    exec: async (where, argv) => {
      const child = execFile("ip", command(where, argv));
      let out = "";
      let err = "";
      child.stdout?.on("data", (chunk: string) => {
        out += chunk;
      });
      child.stderr?.on("data", (chunk: string) => {
        err += chunk;
      });
      const [code] = (await once(child, "close")) as [number | null];
      return { code: code ?? -1, out, err };
    },
    [Symbol.asyncDispose]: () => guardian.end(),
  };
}

const forwarding = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];

function nodeLines(
  names: readonly string[],
  namespaceOf: (name: never) => string,
): readonly string[] {
  return [
    "link set lo up",
    "link add pods type bridge",
    "link set pods up",
    `addr add ${nodeAddress.v4}/24 dev pods`,
    `addr add ${nodeAddress.v6}/64 dev pods nodad`,
    `addr add ${strangeAddress}/32 dev lo`,
    // ClusterIPs: whoever gets out with one is told at once.
    "route add unreachable 10.96.0.0/16",
    "-6 route add unreachable fd96::/16",
    ...names.flatMap((name, index) => [
      `link add p${index} type veth peer name eth0 netns ${namespaceOf(name as never)}`,
      `link set p${index} master pods`,
      `link set p${index} up`,
    ]),
  ];
}

function podLines(addresses: readonly string[]): readonly string[] {
  const [v4 = "", v6 = ""] = addresses;
  return [
    "link set lo up",
    `addr add ${v4}/24 dev eth0`,
    `addr add ${v6}/64 dev eth0 nodad`,
    "link set eth0 up",
    `route add default via ${nodeAddress.v4}`,
    `-6 route add default via ${nodeAddress.v6}`,
  ];
}

async function batch(namespace: string, lines: readonly string[]): Promise<void> {
  // A family is said to a command of its own, not to a line of a batch.
  for (const family of ["-4", "-6"]) {
    const own = lines.filter((line) => line.startsWith("-6 ") === (family === "-6"));
    if (own.length === 0) continue;
    const child = spawn(
      "ip",
      [...(family === "-6" ? ["-6"] : []), "-n", namespace, "-batch", "-"],
      {
        stdio: ["pipe", "ignore", "inherit"],
      },
    );
    child.stdin.end(`${own.map((line) => line.replace(/^-6 /, "")).join("\n")}\n`);
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`Cannot configure ${namespace}: ip ended with ${code}`);
  }
}
