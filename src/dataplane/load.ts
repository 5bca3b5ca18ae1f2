import {
  addRow,
  errorField,
  type LoadError,
  type LoadRow,
  loadField,
  loadWidth,
} from "../telemetry/load/fields.ts";
import { bucketOf } from "../telemetry/load/latency.ts";

/** How a connection to an upstream ended; `ok`: both sides said their last word, or nobody said more. */
export type LoadEnd = LoadError | "ok";

/** What is to be reported of one locality of one Envoy cluster. */
export interface TakenLoad {
  readonly envoyCluster: string;
  /** As `HostModel.locality`; undefined: of the cluster, before a host was chosen. */
  readonly locality: string | undefined;
  readonly priority: number;
  readonly row: LoadRow;
  /** Its `bytesIn` is a share of what several members sent: right in sum, no proof that this one sent any. */
  readonly isShare?: boolean;
}

/** What happened at one locality of one Envoy cluster since the last report. */
export interface LocalityLoad extends TakenLoad {
  /** Opening and open; not part of `row` until it is reported. */
  active: number;
  /** Something in `row` or `active` is not reported yet. */
  isChanged: boolean;
}

/** All that an engine has to report, by Envoy cluster × locality × priority. */
export type Loads = Map<string, LocalityLoad>;

export function loadAt(
  loads: Loads,
  at: Pick<LocalityLoad, "envoyCluster" | "locality" | "priority">,
): LocalityLoad {
  const key = `${at.envoyCluster}\n${at.locality ?? ""}\n${at.locality === undefined ? "" : at.priority}`;
  const known = loads.get(key);
  if (known !== undefined) return known;
  const fresh: LocalityLoad = {
    ...at,
    active: 0,
    row: new Float64Array(loadWidth),
    isChanged: false,
  };
  loads.set(key, fresh);
  return fresh;
}

export function noteBegin(load: LocalityLoad): void {
  load.active += 1;
  add(load, loadField.issued, 1);
}

export function noteConnect(load: LocalityLoad, tookMs: number): void {
  add(load, loadField.connect + bucketOf(tookMs), 1);
}

export function noteFirstByte(load: LocalityLoad, tookMs: number): void {
  add(load, loadField.firstByte + bucketOf(tookMs), 1);
}

export function noteEnd(load: LocalityLoad, end: LoadEnd): void {
  load.active -= 1;
  add(load, end === "ok" ? loadField.ok : errorField(end), 1);
}

/** A connection that no host was found for, or that was one too many. */
export function noteDropped(load: LocalityLoad, why: "no-host" | "over-limit"): void {
  add(load, errorField(why), 1);
}

export function noteBytes(
  load: LocalityLoad,
  bytes: { readonly in: number; readonly out: number },
): void {
  if (bytes.in > 0) add(load, loadField.bytesIn, bytes.in);
  if (bytes.out > 0) add(load, loadField.bytesOut, bytes.out);
}

function add(load: LocalityLoad, field: number, value: number): void {
  load.row[field] = (load.row[field] ?? 0) + value;
  load.isChanged = true;
}

/** What there is to report, with the counts of each since the last call; what is over and told goes. */
export function takeLoads(loads: Loads): readonly TakenLoad[] {
  const taken: TakenLoad[] = [];
  for (const [key, load] of loads) {
    if (!load.isChanged) {
      if (load.active === 0) loads.delete(key);
      continue;
    }
    const row = new Float64Array(loadWidth);
    addRow(row, load.row);
    row[loadField.active] = load.active;
    const { envoyCluster, locality, priority } = load;
    taken.push({ envoyCluster, locality, priority, row });
    load.row.fill(0);
    load.isChanged = false;
  }
  return taken;
}
