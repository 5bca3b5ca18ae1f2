import {
  latestOf,
  opinionIn,
  type SentinelOpinion,
  slotRangesIn,
} from "../../../discovery/io/catalog/redis/link/topology.ts";
import type { HostPort } from "../../../mesh/address.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { HubDoors } from "../hub-doors.ts";
import { parseInfo, replicasIn } from "../redis-info.ts";
import { type NodeDoor, type Opened, openNode, type RedisNode } from "../redis-node.ts";
import type { ClusterFacts, HubTrouble, SentinelFacts } from "./hub-facts.ts";

/** The server that takes the mesh's writes, connected; and who stands behind it. */
export interface Primary {
  readonly node: RedisNode;
  readonly address: HostPort;
  readonly replicas: readonly HostPort[];
  readonly sentinel: SentinelFacts | undefined;
  readonly cluster: ClusterFacts | undefined;
}

export type FoundPrimary =
  | ({ readonly t: "found" } & Primary)
  | { readonly t: "failed"; readonly trouble: HubTrouble };

/** A hub has a few servers; whoever names more is somebody else. */
const maxReplicas = 8;

/** `slotKey` is any key of the mesh: in a cluster it tells which server holds the catalog. */
export async function findPrimary(doors: HubDoors, slotKey: string): Promise<FoundPrimary> {
  const { url } = doors;
  switch (url.t) {
    case "standalone":
      return findStandalone(doors, url.address);
    case "sentinel":
      return findBySentinels(doors, { sentinels: url.sentinels, master: url.master });
    case "cluster":
      return findInCluster(doors, { seeds: url.nodes, slotKey });
  }
}

async function findStandalone(doors: HubDoors, address: HostPort): Promise<FoundPrimary> {
  const opened = await openNode(doors.door(address));
  if (opened.t === "failed") return opened;
  return {
    t: "found",
    node: opened.node,
    address,
    replicas: [],
    sentinel: undefined,
    cluster: undefined,
  };
}

async function findBySentinels(
  doors: HubDoors,
  about: { readonly sentinels: readonly HostPort[]; readonly master: string },
): Promise<FoundPrimary> {
  const answers = await Promise.all(
    about.sentinels.map((address) => askSentinel(doors, address, about.master)),
  );
  const good = answers.filter((answer) => answer.t === "told");
  // One that was cut off names the master before it: the store follows the latest election, too.
  const latest = latestOf(good);
  if (latest === undefined) {
    const failures = answers.flatMap((answer) => (answer.t === "failed" ? [answer.trouble] : []));
    return { t: "failed", trouble: worst(failures) };
  }
  const opened = await openNode(doors.door(latest.master));
  if (opened.t === "failed") return opened;
  const sentinel = {
    master: about.master,
    reachable: good.length,
    known: Math.max(latest.otherSentinels + 1, about.sentinels.length),
    quorum: latest.quorum,
  };
  return {
    t: "found",
    node: opened.node,
    address: latest.master,
    replicas: await replicasOf(opened.node),
    sentinel,
    cluster: undefined,
  };
}

type SentinelAnswer =
  | ({ readonly t: "told" } & SentinelOpinion)
  | { readonly t: "failed"; readonly trouble: HubTrouble };

/** Most Sentinels know no users: they are told who we are only when they ask. */
async function openSentinel(door: NodeDoor): Promise<Opened> {
  const opened = await openNode({ ...door, access: { ...door.access, password: undefined } });
  return opened.t === "failed" && opened.trouble.t === "login" ? await openNode(door) : opened;
}

async function askSentinel(
  doors: HubDoors,
  address: HostPort,
  master: string,
): Promise<SentinelAnswer> {
  // Sentinels have users of their own; the hub's user is for its data.
  const opened = await openSentinel(doors.door(address));
  if (opened.t === "failed") return opened;
  using node = opened.node;
  try {
    const opinion = opinionIn(await node.call("SENTINEL", "MASTER", master));
    if (opinion === undefined) throw new RangeError("it names no address");
    return { t: "told", ...opinion };
  } catch (thrown) {
    const reason = `Sentinel ${node.name} knows no master "${master}" (${reasonOf(thrown)})`;
    return { t: "failed", trouble: { t: "no-primary", reason } };
  }
}

async function findInCluster(
  doors: HubDoors,
  about: { readonly seeds: readonly HostPort[]; readonly slotKey: string },
): Promise<FoundPrimary> {
  const failures: HubTrouble[] = [];
  for (const seed of about.seeds) {
    const opened = await openNode(doors.door(seed));
    if (opened.t === "failed") {
      failures.push(opened.trouble);
      continue;
    }
    using node = opened.node;
    try {
      const cluster = await askCluster(node);
      const servers = await serversOf(node, { slotKey: about.slotKey, seed });
      const [first, ...replicas] = servers;
      if (first === undefined) throw new RangeError("no server holds the mesh's slot");
      const primary = await openNode(doors.door(first));
      if (primary.t === "failed") return primary;
      return {
        t: "found",
        node: primary.node,
        address: first,
        replicas,
        sentinel: undefined,
        cluster,
      };
    } catch (thrown) {
      const reason = `${node.name} is no member of a working cluster (${reasonOf(thrown)})`;
      failures.push({ t: "strange", reason });
    }
  }
  return { t: "failed", trouble: worst(failures) };
}

async function askCluster(node: RedisNode): Promise<ClusterFacts> {
  const info = parseInfo(String(await node.call("CLUSTER", "INFO")));
  return {
    state: info.get("cluster_state") ?? "unknown",
    slotsCovered: Number(info.get("cluster_slots_ok") ?? 0),
    size: Number(info.get("cluster_size") ?? 0),
  };
}

/** Primary first, then its replicas, of the slot that holds the key. */
async function serversOf(
  node: RedisNode,
  about: { readonly slotKey: string; readonly seed: HostPort },
): Promise<readonly HostPort[]> {
  const slot = Number(await node.call("CLUSTER", "KEYSLOT", about.slotKey));
  const ranges = slotRangesIn(await node.call("CLUSTER", "SLOTS"), about.seed);
  const range = ranges.find(({ from, to }) => from <= slot && slot <= to);
  return (range?.nodes ?? []).slice(0, maxReplicas);
}

/** Those that could become the primary; a managed server may not name them. */
async function replicasOf(node: RedisNode): Promise<readonly HostPort[]> {
  try {
    const info = parseInfo(String(await node.call("INFO", "replication")));
    return replicasIn(info).slice(0, maxReplicas);
  } catch {
    return [];
  }
}

/** What is nearest to working says most: a refused login says more than another address's silence. */
function worst(failures: readonly HubTrouble[]): HubTrouble {
  const order: readonly HubTrouble["t"][] = [
    "no-primary",
    "busy",
    "login",
    "tls",
    "strange",
    "unreachable",
  ];
  const sorted = [...failures].sort(
    (left, right) => order.indexOf(left.t) - order.indexOf(right.t),
  );
  return sorted[0] ?? { t: "unreachable", reason: "no server is named" };
}
