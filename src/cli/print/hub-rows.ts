import type { HubFacts, Told } from "../../app/hub/check/hub-facts.ts";
import { persistenceOf } from "../../app/hub/check/judge-durability.ts";
import { memoryOf } from "../../app/hub/check/judge-memory.ts";
import { productOf } from "../../app/hub/redis-info.ts";
import { visible } from "../../mesh/visible.ts";
import type { Terminal } from "../command.ts";
import { bytesOf, counted, rttOf } from "./phrases.ts";
import { painted } from "./table.ts";

/** What was read of a hub, one line each. */
export function hubRows(facts: HubFacts, terminal: Terminal): string {
  const [primary] = facts.nodes;
  const rows: readonly (readonly [string, string])[] = [
    ["server", serverOf(facts)],
    ["shape", shapeOf(facts)],
    ["transport", transportOf(facts)],
    ["user", userOf(facts)],
    ["latency", latencyOf(facts)],
    ["memory", memoryText(facts)],
    ["persistence", persistenceOf(primary)],
    ["clock", skewOf(facts.skewMs)],
    ["mesh", meshOf(facts)],
  ];
  return rows
    .map(([title, text]) => {
      const head = painted({ text: `  ${title.padEnd(14)}`, tone: "quiet" }, terminal);
      return `${head}${visible(text)}\n`;
    })
    .join("");
}

function serverOf({ nodes: [{ node, info }] }: HubFacts): string {
  const product = info.t === "told" ? productOf(info.value) : undefined;
  const shown = product === undefined ? "version unknown" : `${product.name} ${product.version}`;
  return `${shown} at ${node}`;
}

function shapeOf({ shape, nodes, silent, sentinel, cluster }: HubFacts): string {
  const replicas = nodes.length - 1 + silent.length;
  const behind = replicas === 0 ? "no replica" : counted(replicas, "replica");
  if (sentinel !== undefined) {
    const { reachable, known, quorum } = sentinel;
    return `sentinel: ${reachable} of ${known} Sentinels answer, quorum ${quorum}, ${behind}`;
  }
  if (cluster !== undefined) {
    return `cluster: ${cluster.state}, ${counted(cluster.size, "primary")}, ${behind} for this mesh`;
  }
  return `${shape}, ${roleOf(nodes[0].info)}`;
}

function roleOf(info: HubFacts["nodes"][0]["info"]): string {
  if (info.t === "untold") return "role unknown";
  const role = info.value.get("role") === "slave" ? "replica" : "primary";
  const replicas = Number(info.value.get("connected_slaves") ?? 0);
  return role === "primary" && replicas > 0 ? `primary of ${counted(replicas, "replica")}` : role;
}

function transportOf({ transport }: HubFacts): string {
  if (transport.t === "plain") return transport.isLoopback ? "plain, on this machine" : "plain";
  const { protocol, certificateEndsMs } = transport;
  if (certificateEndsMs === undefined) return protocol;
  return `${protocol}, certificate until ${new Date(certificateEndsMs).toISOString().slice(0, 10)}`;
}

function userOf({ rights }: HubFacts): string {
  const user = rights.user.t === "told" ? rights.user.value : "unknown";
  const verdicts = rights.beyond.map(({ verdict }) => verdict);
  if (verdicts.every((verdict) => verdict === "denied")) return `${user}, confined to its own keys`;
  return verdicts.includes("allowed")
    ? `${user}, may do more than a member needs`
    : `${user}, rights unknown`;
}

function latencyOf({ latency: { p50Ms, p99Ms, pings } }: HubFacts): string {
  return `p50 ${shortMs(p50Ms)}, p99 ${shortMs(p99Ms)} (${pings} pings)`;
}

function memoryText({ nodes: [primary] }: HubFacts): string {
  const { usedBytes, maxBytes, policy } = memoryOf(primary);
  const used = usedBytes === undefined ? "unknown" : bytesOf(usedBytes);
  const limit =
    maxBytes === undefined
      ? "limit unknown"
      : maxBytes === 0
        ? "no limit"
        : `of ${bytesOf(maxBytes)}`;
  return `${used} ${maxBytes ? limit : `used, ${limit}`}, ${policy ?? "eviction policy unknown"}`;
}

function skewOf(skew: Told<number>): string {
  if (skew.t === "untold") return "unknown";
  const ms = Math.round(skew.value);
  return Math.abs(ms) < 1000
    ? `within ${Math.abs(ms)} ms of the one here`
    : `${(ms / 1000).toFixed(1)} s off`;
}

function meshOf({ content }: HubFacts): string {
  if (content.t === "untold") return `unknown: ${content.reason}`;
  if (content.value.length === 0) return "none";
  return content.value
    .map(({ mesh, members, absent }) => {
      const records = members.reduce((sum, one) => sum + one.records, 0);
      const bytes = members.every((one) => one.bytes !== undefined)
        ? `, ${bytesOf(members.reduce((sum, one) => sum + (one.bytes ?? 0), 0))}`
        : "";
      const all = members.length + absent.length;
      const here = absent.length === 0 ? "" : `${members.length} of `;
      return `${mesh}: ${here}${counted(all, "member")}, ${counted(records, "record")}${bytes}`;
    })
    .join("; ");
}

/** A hub on this machine answers in hundredths. */
function shortMs(ms: number): string {
  return ms < 1 ? `${ms.toFixed(2)} ms` : rttOf(ms);
}
