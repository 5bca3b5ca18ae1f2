/** What load reports cost the agent: CPU per row, memory for 15 minutes, time to answer `isthmus top`. */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Loads,
  loadAt,
  noteBegin,
  noteBytes,
  noteConnect,
  noteEnd,
  noteFirstByte,
  takeLoads,
} from "../src/dataplane/load.ts";
import { clusterStatsOf } from "../src/dataplane/load-stats.ts";
import { LoadBook } from "../src/telemetry/load/load-book.ts";
import { LoadStatsRequestSchema } from "../src/xds/gen/envoy/service/load_stats/v3/lrs_pb.ts";
import { decodeLoadReport } from "../src/xds/load-report.ts";
import { type Figure, report } from "./report.ts";

const proxies = 100;
const rowsPerProxy = 50;
const series = 1000;
const seconds = 900;
const rounds = 5;

/** What one engine sends for a second in which each of its localities had ten connections. */
function reportOf(proxy: number): Uint8Array {
  const loads: Loads = new Map();
  for (let index = 0; index < rowsPerProxy; index += 1) {
    const service = (proxy * rowsPerProxy + index) % series;
    const envoyCluster = `outbound|80||s${service}.shop.svc.cluster.local`;
    const load = loadAt(loads, { envoyCluster, locality: "us-west-1|west/gateway|", priority: 1 });
    for (let connection = 0; connection < 10; connection += 1) {
      noteBegin(load);
      noteConnect(load, 2 + (connection % 4));
      noteFirstByte(load, 1 + (connection % 5));
      noteBytes(load, { in: 2000 + connection, out: 300 });
      noteEnd(load, "ok");
    }
  }
  const clusterStats = [...clusterStatsOf(takeLoads(loads), { spanMs: 1000 })];
  return toBinary(LoadStatsRequestSchema, create(LoadStatsRequestSchema, { clusterStats }));
}

const reports = Array.from({ length: proxies }, (_, proxy) => reportOf(proxy));
const bytesPerRow = (reports[0]?.length ?? 0) / rowsPerProxy;

/** Takes a second of reports as the agent does, less the names of the mesh's own services. */
function takeSecond(book: LoadBook, second: number): void {
  book.advance(second);
  for (const bytes of reports) {
    const decoded = decodeLoadReport(bytes);
    if (decoded.t !== "ok") throw new Error(decoded.reason);
    for (const { envoyCluster, row } of decoded.value.loads) {
      const key = {
        service: envoyCluster,
        member: "west",
        zone: "gateway",
        by: "sidecar" as const,
      };
      const series = book.series(key);
      if (series !== undefined) book.add(series, row, second);
    }
  }
}

const cpuPerRow: number[] = [];
const historyMb: number[] = [];
const keptSeconds: number[] = [];
const answerMs: number[] = [];
for (let round = -1; round < rounds; round += 1) {
  const book = new LoadBook();
  const before = process.cpuUsage();
  for (let second = 1; second <= seconds; second += 1) takeSecond(book, second);
  const { user, system } = process.cpuUsage(before);
  const answering = process.cpuUsage();
  book.spans({ seconds: 10 });
  book.spans({ seconds: 60 });
  const answered = process.cpuUsage(answering);
  // The first round warms the compiler.
  if (round < 0) continue;
  cpuPerRow.push((user + system) / (seconds * proxies * rowsPerProxy));
  historyMb.push(book.size().bytes / 1e6);
  keptSeconds.push(book.size().seconds);
  answerMs.push((answered.user + answered.system) / 1000);
}

const figures: readonly Figure[] = [
  { name: "CPU per reported row", unit: "us", samples: cpuPerRow, target: { atMost: 10 } },
  { name: "history of 15 minutes", unit: "MB", samples: historyMb, target: { atMost: 33.6 } },
  { name: "history that fits", unit: "s", samples: keptSeconds },
  { name: "CPU of one answer to `isthmus top`", unit: "ms", samples: answerMs },
];
report({
  claim:
    "100 proxies that report 50 busy localities each second cost the agent 5 % of a core at most, and 32 MiB",
  setup: { proxies, rowsPerProxy, series, seconds, bytesPerRow: Math.round(bytesPerRow) },
  figures,
});
