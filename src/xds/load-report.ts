import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { reasonOf } from "../mesh/errors.ts";
import {
  errorField,
  type LoadRow,
  loadErrors,
  loadField,
  loadWidth,
} from "../telemetry/load/fields.ts";
import { type MetricStat, metricStats } from "../telemetry/load/metric-stats.ts";
import { type Decoded, limited, maxNodeBytes, text as textFrom } from "./wire-fields.ts";

/** gRPC path of the load reporting service (LRS). */
export const loadStatsPath = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats";

/** One Envoy cluster × upstream locality since the last report. */
export interface ReportedLoad {
  readonly envoyCluster: string;
  /** As EDS named it; undefined: of the cluster as a whole, before an upstream was chosen. */
  readonly zone: string | undefined;
  readonly priority: number;
  /** Whole numbers >= 0; `active` is the state at the time of the report. */
  readonly row: LoadRow;
  /** Its `bytesIn` is a share of what several members sent, so it proves nothing of this one. */
  readonly isShare?: boolean;
}

/** What a client says on a StreamLoadStats stream. Claims, not facts. */
export interface LoadReport {
  /** An encoded envoy.config.core.v3.Node; only in the first message. */
  readonly node?: Uint8Array;
  readonly loads: readonly ReportedLoad[];
}

/** Rows that one message may hold; a client with more sends several. */
export const maxReportedLoads = 1024;
const maxNameBytes = 1024;
// Of the 60 metrics of ours each may stand once; others are read past.
const maxMetrics = 256;
// No proxy does more of anything in the time between two reports.
const maxCount = 1e9;
const maxActive = 1e7;
const maxBytes = 1e13;

/**
 * Reads an encoded envoy.service.load_stats.v3.LoadStatsRequest. Never throws, whatever the bytes. By
 * hand, so that what is too much is refused before memory is taken for it.
 */
export function decodeLoadReport(bytes: Uint8Array): Decoded<LoadReport> {
  try {
    return { t: "ok", value: readReport(new BinaryReader(bytes)) };
  } catch (cause) {
    return { t: "refused", reason: reasonOf(cause) };
  }
}

function readReport(reader: BinaryReader): LoadReport {
  let node: Uint8Array | undefined;
  const loads: ReportedLoad[] = [];
  eachField(reader, (field) => {
    if (field === 1) node = limited(reader.bytes(), maxNodeBytes, "node");
    else if (field === 2) readCluster(new BinaryReader(reader.bytes()), loads);
    else return false;
    return true;
  });
  return { loads, ...(node === undefined ? {} : { node }) };
}

/** envoy.config.endpoint.v3.ClusterStats. Its name may come after its localities. */
function readCluster(reader: BinaryReader, loads: ReportedLoad[]): void {
  let envoyCluster = "";
  let dropped: LoadRow | undefined;
  let droppedInAll = 0;
  const localities: Uint8Array[] = [];
  eachField(reader, (field) => {
    if (field === 1) envoyCluster = text(reader);
    else if (field === 2)
      localities.push(roomFor(reader.bytes(), loads.length + localities.length));
    else if (field === 3) droppedInAll = count(reader);
    else if (field === 5) readDropped(new BinaryReader(reader.bytes()), (dropped ??= newRow()));
    else return false;
    return true;
  });
  for (const bytes of localities) {
    loads.push({ envoyCluster, ...readLocality(new BinaryReader(bytes)) });
  }
  if (dropped === undefined && droppedInAll === 0) return;
  const row = dropped ?? newRow();
  addTo(row, errorField("over-limit"), Math.max(0, droppedInAll - errorsIn(row)));
  roomFor(noBytes, loads.length);
  loads.push({ envoyCluster, zone: undefined, priority: 0, row });
}

const noBytes = new Uint8Array();

function roomFor(bytes: Uint8Array, taken: number): Uint8Array {
  if (taken >= maxReportedLoads) throw new RangeError(`more than ${maxReportedLoads} localities`);
  return bytes;
}

/** ClusterStats.DroppedRequests */
function readDropped(reader: BinaryReader, row: LoadRow): void {
  let category = "";
  let dropped = 0;
  eachField(reader, (field) => {
    if (field === 1) category = text(reader);
    else if (field === 2) dropped = count(reader);
    else return false;
    return true;
  });
  addTo(row, errorField(category === "no-host" ? "no-host" : "over-limit"), dropped);
}

/** envoy.config.endpoint.v3.UpstreamLocalityStats */
function readLocality(reader: BinaryReader): Omit<ReportedLoad, "envoyCluster"> {
  const row = newRow();
  let zone = "";
  let priority = 0;
  let failed = 0;
  let metrics = 0;
  let isShare = false;
  eachField(reader, (field) => {
    if (field === 1) zone = readZone(new BinaryReader(reader.bytes()));
    else if (field === 2) row[loadField.ok] = count(reader);
    else if (field === 3) row[loadField.active] = count(reader, maxActive);
    else if (field === 4) failed = count(reader);
    else if (field === 6) priority = reader.uint32();
    else if (field === 8) row[loadField.issued] = count(reader);
    else if (field === 5) {
      if (++metrics > maxMetrics) throw new RangeError("too many metrics");
      if (readMetric(new BinaryReader(reader.bytes()), row)?.proves === false) isShare = true;
    } else return false;
    return true;
  });
  // What no metric of ours explains is what LRS itself knows as an error: an answer of 5xx.
  addTo(row, errorField("status"), Math.max(0, failed - errorsIn(row)));
  return { zone, priority, row, ...(isShare ? { isShare } : {}) };
}

/** envoy.config.core.v3.Locality; the member stands in the zone's name. */
function readZone(reader: BinaryReader): string {
  let zone = "";
  eachField(reader, (field) => {
    if (field !== 2) return false;
    zone = text(reader);
    return true;
  });
  return zone;
}

/** EndpointLoadMetricStats. Undefined: not one of ours. */
function readMetric(reader: BinaryReader, row: LoadRow): MetricStat | undefined {
  let name = "";
  let counted = 0;
  let total = 0;
  eachField(reader, (field, wireType) => {
    if (field === 1) name = text(reader);
    else if (field === 2) counted = count(reader);
    else if (field === 3 && wireType === WireType.Bit64) total = finite(reader.double());
    else return false;
    return true;
  });
  const stat = metricStats.get(name);
  if (stat !== undefined) addTo(row, stat.field, stat.in === "count" ? counted : total);
  return stat;
}

/** Calls back for each field, which reads it or says false; then it is read past. */
function eachField(
  reader: BinaryReader,
  take: (field: number, wireType: WireType) => boolean,
): void {
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (!take(field, wireType)) reader.skip(wireType, field);
  }
}

function newRow(): LoadRow {
  return new Float64Array(loadWidth);
}

function addTo(row: LoadRow, field: number, value: number): void {
  row[field] = (row[field] ?? 0) + value;
}

function errorsIn(row: LoadRow): number {
  return loadErrors.reduce((sum, kind) => sum + (row[errorField(kind)] ?? 0), 0);
}

function count(reader: BinaryReader, most = maxCount): number {
  const value = Number(reader.uint64());
  if (value > most) throw new RangeError(`${value} is more than any proxy does`);
  return value;
}

function finite(value: number): number {
  if (!(value >= 0 && value <= maxBytes)) throw new RangeError(`${value} is no number of bytes`);
  return Math.round(value);
}

function text(reader: BinaryReader): string {
  return textFrom(reader, maxNameBytes, "a name");
}
