import type { TakenLoad } from "../../../../dataplane/load.ts";
import {
  errorField,
  type LoadRow,
  loadField,
  loadWidth,
} from "../../../../telemetry/load/fields.ts";
import type { ClusterCounter } from "./admin-paths.ts";
import {
  type ClusterMemory,
  type ClusterReading,
  forgetIfAnew,
  histogramGrowth,
  type Place,
  takePlaces,
} from "./cluster-memory.ts";
import { moveFastest, shareOut } from "./share-out.ts";

interface Told {
  readonly memory: ClusterMemory;
  readonly reading: ClusterReading;
  readonly ownZone: string;
  readonly isHttp: boolean;
  /** Of a counter of the cluster. */
  readonly grown: (counter: ClusterCounter) => number;
  readonly places: readonly Place[];
  /** One for each place. */
  readonly rows: readonly LoadRow[];
}

/**
 * What happened in one cluster between two readings, as a load report. Envoy counts most of it by endpoint;
 * times of connects, kinds of failure and bytes it knows of the whole cluster, and they are shared out.
 */
export function takeClusterLoad(
  memory: ClusterMemory,
  reading: ClusterReading,
  about: { readonly envoyCluster: string; readonly ownZone: string },
): readonly TakenLoad[] {
  const { envoyCluster, ownZone } = about;
  const { totals, hosts } = reading;
  forgetIfAnew(memory, totals);
  const places = takePlaces(memory, { hosts, ownZone });
  const rows = places.map(() => newRow());
  const isHttp = httpCounters.some((counter) => (totals.get(counter) ?? 0) > 0);
  const grown: Told["grown"] = (counter) =>
    (totals.get(counter) ?? 0) - (memory.totals.get(counter) ?? 0);
  const told: Told = { memory, reading, ownZone, isHttp, grown, places, rows };
  tellCounts(told);
  tellConnectFailures(told);
  if (isHttp) tellFailedRequests(told);
  tellConnectTimes(told);
  tellAnswerTimes(told);
  const isShare = tellBytes(told);
  const dropped = droppedLoads(told, envoyCluster);
  memory.totals = totals;
  memory.histograms = reading.histograms;
  const loads = places.flatMap(({ memory: place, active }, index): TakenLoad[] => {
    const row = rows[index] ?? newRow();
    const isNews = active !== place.active || row.some((count) => count > 0);
    place.active = active;
    row[loadField.active] = active;
    return isNews ? [{ ...at(place, envoyCluster), row, isShare }] : [];
  });
  return [...loads, ...goneLoads(told, envoyCluster), ...dropped];
}

/** The last word on a cluster that is no more. */
export function endClusterLoad(memory: ClusterMemory, envoyCluster: string): readonly TakenLoad[] {
  return [...memory.places.values()].flatMap((place) =>
    place.active === 0 ? [] : [{ ...at(place, envoyCluster), row: newRow() }],
  );
}

// Of a cluster whose connections speak HTTP, and of one that had no host to connect to.
const httpCounters = [
  "upstream_cx_http1_total",
  "upstream_cx_http2_total",
  "upstream_rq_completed",
] as const satisfies readonly ClusterCounter[];

function tellCounts({ places, rows, isHttp }: Told): void {
  for (const [index, { begun, failedToConnect, answered }] of places.entries()) {
    add(rows[index], loadField.issued, begun + failedToConnect);
    // How a connection without HTTP ended, Envoy does not say.
    if (isHttp) add(rows[index], loadField.ok, answered);
  }
}

function tellConnectFailures({ places, rows, grown }: Told): void {
  const failed = places.map(({ failedToConnect }) => failedToConnect);
  const timeouts = shareOut(atMost(sumOf(failed), grown("upstream_cx_connect_timeout")), failed);
  const answered = failed.map((count, index) => count - (timeouts[index] ?? 0));
  const refusedByTls =
    grown("ssl.connection_error") + grown("ssl.fail_verify_error") + grown("ssl.fail_verify_san");
  const tls = shareOut(atMost(sumOf(answered), refusedByTls), answered);
  for (const [index, row] of rows.entries()) {
    add(row, errorField("timeout"), timeouts[index] ?? 0);
    add(row, errorField("tls"), tls[index] ?? 0);
    add(row, errorField("refused"), (answered[index] ?? 0) - (tls[index] ?? 0));
  }
}

/** Those that got no connection are told as that connection's failure already. */
function tellFailedRequests({ places, rows, grown }: Told): void {
  const mayLack = places.map(({ failed, failedToConnect }) => (failedToConnect > 0 ? failed : 0));
  const lacked = grown("upstream_rq_pending_failure_eject");
  const lacking = shareOut(atMost(sumOf(mayLack), lacked), mayLack);
  const had = places.map(({ failed }, index) => failed - (lacking[index] ?? 0));
  const broken = grown("upstream_cx_destroy_remote_with_active_rq") + grown("upstream_rq_rx_reset");
  const resets = shareOut(atMost(sumOf(had), broken), had);
  for (const [index, row] of rows.entries()) {
    add(row, errorField("reset"), resets[index] ?? 0);
    add(row, errorField("status"), (had[index] ?? 0) - (resets[index] ?? 0));
  }
}

const connectTime = "upstream_cx_connect_ms";

/** How many connects each place had is known. The fastest are taken for those of the nearest. */
function tellConnectTimes({ memory, reading, places, rows }: Told): void {
  const { connects } = memory;
  const now = reading.histograms.get(connectTime);
  const fresh =
    now === undefined ? undefined : histogramGrowth(now, memory.histograms.get(connectTime));
  fresh?.forEach((count, bucket) => {
    connects[bucket] = (connects[bucket] ?? 0) + count;
  });
  const take = (index: number, count: number): number =>
    moveFastest(connects, { row: rows[index] ?? newRow(), at: loadField.connect, count });
  for (const [index, { memory: place }] of places.entries()) take(index, place.untimed);
  for (const [index, { memory: place, connected }] of places.entries()) {
    place.untimed = connected - take(index, connected);
  }
  // Times and counts are read one after the other: one may be a reading late, not two.
  const left = sumOf(connects);
  moveFastest(connects, { row: newRow(), at: loadField.connect, count: left - sumOf(fresh ?? []) });
}

function tellAnswerTimes({ memory, reading, places, rows, ownZone }: Told): void {
  const before = `zone.${ownZone}.`;
  const after = ".upstream_rq_time";
  for (const [stat, histogram] of reading.histograms) {
    if (!stat.startsWith(before) || !stat.endsWith(after)) continue;
    const zone = stat.slice(before.length, -after.length);
    const there = places.flatMap((place, index) => (place.memory.zone === zone ? [index] : []));
    const index = there.find((one) => (places[one]?.begun ?? 0) > 0) ?? there[0];
    if (index === undefined) continue;
    const counts = histogramGrowth(histogram, memory.histograms.get(stat));
    counts.forEach((count, bucket) => add(rows[index], loadField.firstByte + bucket, count));
  }
}

/** Returns whether they prove nothing: several members may have sent them, or HTTP/2 did to stay alive. */
function tellBytes({ places, rows, grown, isHttp }: Told): boolean {
  const answered = places.map((place) => (isHttp ? place.answered : 0));
  const used = places.map(({ active, begun, memory }) => begun + Math.max(active, memory.active));
  const weights = sumOf(answered) > 0 ? answered : used;
  const all = sumOf(weights) > 0;
  const bytesIn = shareOut(all ? grown("upstream_cx_rx_bytes_total") : 0, weights);
  const bytesOut = shareOut(all ? grown("upstream_cx_tx_bytes_total") : 0, weights);
  for (const [index, row] of rows.entries()) {
    add(row, loadField.bytesIn, bytesIn[index] ?? 0);
    add(row, loadField.bytesOut, bytesOut[index] ?? 0);
  }
  const senders = places.filter((_place, index) => (weights[index] ?? 0) > 0);
  const members = new Set(senders.map(({ memory: { zone } }) => zone.split("/")[0]));
  return isHttp || members.size > 1;
}

/** Places whose last host is gone. */
function goneLoads({ memory, places }: Told, envoyCluster: string): readonly TakenLoad[] {
  const there = new Set(places.map((place) => place.memory));
  return [...memory.places].flatMap(([key, place]) => {
    if (there.has(place)) return [];
    memory.places.delete(key);
    return place.active === 0 ? [] : [{ ...at(place, envoyCluster), row: newRow() }];
  });
}

function droppedLoads({ grown, isHttp }: Told, envoyCluster: string): readonly TakenLoad[] {
  const row = newRow();
  add(row, errorField("no-host"), grown("upstream_cx_none_healthy"));
  // With HTTP a request waits for one of the connections that there are.
  const refused = isHttp ? 0 : grown("upstream_cx_overflow");
  add(row, errorField("over-limit"), grown("upstream_rq_pending_overflow") + refused);
  const isNews = row.some((count) => count > 0);
  return isNews ? [{ envoyCluster, locality: undefined, priority: 0, row }] : [];
}

function at(
  { zone, priority }: { readonly zone: string; readonly priority: number },
  envoyCluster: string,
): Omit<TakenLoad, "row"> {
  return { envoyCluster, locality: `|${zone}|`, priority };
}

function newRow(): LoadRow {
  return new Float64Array(loadWidth);
}

function add(row: LoadRow | undefined, field: number, value: number): void {
  if (row !== undefined) row[field] = (row[field] ?? 0) + value;
}

function sumOf(counts: Iterable<number>): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}

function atMost(most: number, value: number): number {
  return Math.min(most, value);
}
