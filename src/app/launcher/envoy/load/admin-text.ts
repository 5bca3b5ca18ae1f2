import { bucketOf, latencyBuckets } from "../../../../telemetry/load/latency.ts";

/** Totals by what follows the cluster's name. */
export type Totals = ReadonlyMap<string, number>;
/** Counts by latency bucket of ours. */
export type Histogram = Float64Array;

/** One endpoint since Envoy has it. */
export interface HostReading {
  readonly address: string;
  readonly zone: string;
  readonly priority: number;
  readonly counts: HostCounts;
  /** Requests and, where no HTTP is spoken, connections that are open now. */
  readonly active: number;
}

/** Envoy's words: `rq` are requests or, where no HTTP is spoken, connections that came to be. */
export interface HostCounts {
  readonly cxTotal: number;
  readonly cxConnectFail: number;
  readonly rqTotal: number;
  readonly rqSuccess: number;
  readonly rqError: number;
}

/** Reads counters or histograms of `/stats`; what is none, or of no service's cluster, is left out. */
export function readCounters(text: string): ReadonlyMap<string, Totals> {
  return readStats(text, (value) => (/^\d{1,15}$/.test(value) ? Number(value) : undefined));
}

/** Of `histogram_buckets=disjoint`: `B1(0,3) B2(1,4)`, counts of the last interval and since the start. */
export function readHistograms(text: string): ReadonlyMap<string, ReadonlyMap<string, Histogram>> {
  return readStats(text, (value) => {
    const histogram = new Float64Array(latencyBuckets);
    for (const [, bound, count] of value.matchAll(/B([0-9.e+]{1,20})\(\d+,(\d{1,15})\)/g)) {
      const bucket = bucketOf(Number(bound));
      histogram[bucket] = (histogram[bucket] ?? 0) + Number(count);
    }
    return histogram;
  });
}

// Cluster names as our agent makes them.
const statLine =
  /^cluster\.(outbound[|_].{1,512}?\.svc\.cluster(?:set)?\.local)\.(.{1,600}?): (.*)$/;

function readStats<Value>(
  text: string,
  read: (value: string) => Value | undefined,
): ReadonlyMap<string, ReadonlyMap<string, Value>> {
  const clusters = new Map<string, Map<string, Value>>();
  for (const line of text.split("\n")) {
    const [, cluster, stat, written] = statLine.exec(line) ?? [];
    const value = written === undefined ? undefined : read(written);
    if (cluster === undefined || stat === undefined || value === undefined) continue;
    const stats = clusters.get(cluster) ?? new Map<string, Value>();
    clusters.set(cluster, stats.set(stat, value));
  }
  return clusters;
}

const hostCounters: ReadonlyMap<string, keyof HostCounts> = new Map([
  ["cx_total", "cxTotal"],
  ["cx_connect_fail", "cxConnectFail"],
  ["rq_total", "rqTotal"],
  ["rq_success", "rqSuccess"],
  ["rq_error", "rqError"],
] as const);

const wantedOfHosts: ReadonlySet<string> = new Set([
  ...hostCounters.keys(),
  "rq_active",
  "zone",
  "priority",
]);

interface HostDraft {
  readonly address: string;
  zone: string;
  priority: number;
  active: number;
  readonly counts: { -readonly [Key in keyof HostCounts]: number };
}

/**
 * Reads `/clusters`: a line is `<cluster>::<address>::<name>::<value>`. An address may hold `::`, too, and so may
 * a zone, which other members name as they like.
 */
export function readHosts(text: string): ReadonlyMap<string, readonly HostReading[]> {
  const clusters = new Map<string, Map<string, HostDraft>>();
  for (const line of text.split("\n")) {
    const addressAt = line.indexOf("::");
    const isIpv6 = line.startsWith("::[", addressAt);
    const nameAt = line.indexOf("::", isIpv6 ? line.indexOf("]", addressAt) : addressAt + 2);
    const valueAt = line.indexOf("::", nameAt + 2);
    // Three of them, or it says something of the cluster as a whole.
    if (addressAt < 0 || addressAt >= nameAt || nameAt >= valueAt) continue;
    const name = line.slice(nameAt + 2, valueAt);
    // Most of them: what follows is worth its time for the others only.
    if (!wantedOfHosts.has(name)) continue;
    const cluster = line.slice(0, addressAt);
    const address = line.slice(addressAt + 2, nameAt);
    const hosts = clusters.get(cluster) ?? new Map<string, HostDraft>();
    clusters.set(cluster, hosts);
    const host = hosts.get(address) ?? newHost(address);
    hosts.set(address, host);
    note(host, name, line.slice(valueAt + 2));
  }
  return new Map([...clusters].map(([name, hosts]) => [name, [...hosts.values()]]));
}

function note(host: HostDraft, name: string, value: string): void {
  if (name === "zone") {
    host.zone = value;
    return;
  }
  if (!/^\d{1,15}$/.test(value)) return;
  const counter = hostCounters.get(name);
  if (counter !== undefined) host.counts[counter] = Number(value);
  else if (name === "rq_active") host.active = Number(value);
  else host.priority = Number(value);
}

function newHost(address: string): HostDraft {
  const counts = { cxTotal: 0, cxConnectFail: 0, rqTotal: 0, rqSuccess: 0, rqError: 0 };
  return { address, zone: "", priority: 0, active: 0, counts };
}
