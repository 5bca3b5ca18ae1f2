import { type HubFinding, noteAbout } from "../hub-finding.ts";
import { numberIn } from "../redis-info.ts";
import type { HubFacts, NodeFacts } from "./hub-facts.ts";

/** What is there again after a restart of the server. */
export type Persistence = "append-only file" | "snapshots" | "nothing" | "unknown";

export function persistenceOf({ info, settings }: NodeFacts): Persistence {
  if (info.t === "untold") return "unknown";
  if (info.value.get("aof_enabled") === "1") return "append-only file";
  const save = settings.get("save");
  if (save?.t !== "told") return "unknown";
  return save.value === "" ? "nothing" : "snapshots";
}

/** Whether it keeps and takes what members write. */
export function judgeDurability(node: NodeFacts): readonly HubFinding[] {
  const { info } = node;
  if (info.t === "untold") return [];
  return [
    ...judgeLoading(node.node, info.value),
    ...judgeDisk(node, info.value),
    ...judgeLoss(node),
  ];
}

function judgeLoading(node: string, info: ReadonlyMap<string, string>): readonly HubFinding[] {
  if (info.get("loading") !== "1") return [];
  const message = "it is loading its data and answers nothing else yet";
  return [noteAbout(node)("HUB_READ_ONLY", "error", { message, remedy: "wait, then ask again" })];
}

function judgeDisk(
  { node, settings }: NodeFacts,
  info: ReadonlyMap<string, string>,
): readonly HubFinding[] {
  const note = noteAbout(node);
  const stops = settings.get("stop-writes-on-bgsave-error");
  const stopsWrites = stops?.t !== "told" || stops.value === "yes";
  const remedy = "make room on its disk, or look into its log";
  if (info.get("aof_last_write_status") === "err") {
    const message = "it cannot write its append-only file and refuses changes";
    return [note("HUB_DISK_FAILS", "error", { message, remedy })];
  }
  if (info.get("rdb_last_bgsave_status") !== "err") return [];
  const message = stopsWrites
    ? "its last snapshot failed, and so it refuses changes"
    : "its last snapshot failed";
  return [note("HUB_DISK_FAILS", stopsWrites ? "error" : "warning", { message, remedy })];
}

/** Fine either way: members send again what a hub lost. Told, because it is a surprise otherwise. */
function judgeLoss(facts: NodeFacts): readonly HubFinding[] {
  const persistence = persistenceOf(facts);
  const note = noteAbout(facts.node);
  if (persistence === "nothing") {
    return [
      note("HUB_NOT_PERSISTENT", "info", {
        message:
          "it keeps nothing over a restart; members that live send their part again within seconds, others are absent until they do",
        remedy:
          "nothing has to be done; with `appendonly yes` also silent members survive its restart",
      }),
    ];
  }
  if (persistence !== "unknown") return [];
  return [
    note("HUB_CANNOT_TELL", "info", {
      message: "it does not tell whether it keeps its data over a restart",
      remedy: "nothing has to be done: members send again what a hub lost",
    }),
  ];
}

/** Replicas and who decides about a failover. */
export function judgeReplication(facts: HubFacts, subject: string): readonly HubFinding[] {
  const [primary] = facts.nodes;
  const note = noteAbout(subject);
  const findings: HubFinding[] = [];
  const info = primary.info.t === "told" ? primary.info.value : new Map<string, string>();
  if (info.get("role") === "slave") {
    findings.push(
      note("HUB_READ_ONLY", "error", {
        message: `it is a replica of ${info.get("master_host") ?? "another server"} and takes no changes`,
        remedy:
          "name the primary, or the Sentinels (redis+sentinel://…), so that a failover is followed",
      }),
    );
  }
  findings.push(...judgeReplicas(primary, { info, subject }));
  if (facts.sentinel !== undefined && numberIn(info, "connected_slaves") === 0) {
    findings.push(
      note("HUB_REPLICA_ABSENT", "warning", {
        message: "its primary has no replica: when it fails, the Sentinels have nobody to choose",
        remedy: "start the replica, and look into its log why it does not follow",
      }),
    );
  }
  for (const replica of facts.silent) {
    findings.push(
      note("HUB_REPLICA_SILENT", "warning", {
        message: `a replica: ${replica}; after a failover this hub may be lost to this member`,
        remedy: "open the way to every server of the hub, with the same TLS and login",
      }),
    );
  }
  return findings;
}

function judgeReplicas(
  primary: NodeFacts,
  about: { readonly info: ReadonlyMap<string, string>; readonly subject: string },
): readonly HubFinding[] {
  const least = primary.settings.get("min-replicas-to-write");
  const wanted = least?.t === "told" ? Number(least.value) : 0;
  const good = numberIn(about.info, "min_slaves_good_slaves");
  if (!(wanted > 0) || good === undefined || good >= wanted) return [];
  return [
    noteAbout(about.subject)("HUB_READ_ONLY", "error", {
      message: `min-replicas-to-write is ${wanted}, but only ${good} replicas are in step: it refuses changes`,
      remedy:
        "bring the replicas back, or lower min-replicas-to-write; the catalog does not need it",
    }),
  ];
}

/** A failover needs a majority of Sentinels, or a cluster whose slots are all served. */
export function judgeFailover(facts: HubFacts, subject: string): readonly HubFinding[] {
  const note = noteAbout(subject);
  const { sentinel, cluster } = facts;
  if (sentinel !== undefined && (sentinel.known < 3 || sentinel.reachable * 2 <= sentinel.known)) {
    return [
      note("HUB_SENTINELS_FEW", "warning", {
        message: `${sentinel.reachable} of ${sentinel.known} Sentinels answer from here; three or more are needed to agree on a failover when one is lost`,
        remedy: "run three Sentinels in three places, and name all of them in the URL",
      }),
    ];
  }
  if (cluster === undefined || (cluster.state === "ok" && cluster.slotsCovered === 16_384))
    return [];
  return [
    note("HUB_CLUSTER_BROKEN", "error", {
      message: `the cluster says ${cluster.state}, ${cluster.slotsCovered} of 16384 slots are served`,
      remedy: "look at `redis-cli --cluster check`; until then the other hubs carry the mesh",
    }),
  ];
}
