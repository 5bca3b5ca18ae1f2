import { MeshError } from "../../../mesh/errors.ts";
import { parseServiceId } from "../../../mesh/ids.ts";
import {
  errorField,
  type LoadRow,
  loadErrors,
  loadField,
  successRatioOf,
} from "../../../telemetry/load/fields.ts";
import { latencyBuckets, quantileMs } from "../../../telemetry/load/latency.ts";
import { type LoadKey, loadHistorySeconds } from "../../../telemetry/load/load-book.ts";
import type { LoadAnswer, LoadLatency, LoadRowAnswer } from "../../api-model.ts";
import type { HttpQuery } from "../../http-server.ts";
import { didYouMean } from "../../nearest.ts";
import type { AgentView } from "../agent-view.ts";

// Long enough for a proxy that reports each second to be even, short enough to see what happens now.
const defaultSeconds = 10;
const defaultHistory = 60;

/** `isthmus top`. Throws MESH_NOT_FOUND, MESH_USAGE and MESH_ID_INVALID. */
export function loadOf(view: AgentView, query: HttpQuery): LoadAnswer {
  const { core, proxies, config } = view;
  const seconds = secondsIn(query, { name: "seconds", fallback: defaultSeconds });
  const history = secondsIn(query, { name: "history", fallback: defaultHistory });
  const wanted = query.text("service");
  const scope = wanted === undefined ? {} : { service: parseServiceId(wanted) };
  const { book } = core.load;
  const size = book.size();
  const recent = new Map(
    book.spans({ seconds, ...scope }).map((span) => [nameOf(span.key), span] as const),
  );
  const rows = book
    .spans({ seconds: Math.max(seconds, history), ...scope })
    .map((span): LoadRowAnswer => {
      const sum = recent.get(nameOf(span.key))?.sum ?? noRow;
      return {
        ...span.key,
        ...ratesOf(sum, seconds),
        begun: span.issued.slice(-history),
        failed: span.failed.slice(-history),
      };
    })
    .sort(byName);
  if (wanted !== undefined && rows.length === 0) refuseUnknown(view, wanted);
  return {
    member: config.member.name,
    seconds,
    historySeconds: size.seconds,
    reporters: proxies.reporters(),
    rows,
  };
}

const noRow: LoadRow = new Float64Array();

function ratesOf(
  sum: LoadRow,
  seconds: number,
): Omit<LoadRowAnswer, keyof LoadKey | "begun" | "failed"> {
  const rate = (field: number): number => (sum[field] ?? 0) / seconds;
  const errors = loadErrors.flatMap((kind) => {
    const count = sum[errorField(kind)] ?? 0;
    return count === 0 ? [] : [[kind, count] as const];
  });
  return {
    begunPerSecond: rate(loadField.issued),
    successRatio: successRatioOf(sum),
    errors: Object.fromEntries(errors),
    connect: latencyOf(sum, loadField.connect),
    firstByte: latencyOf(sum, loadField.firstByte),
    active: sum[loadField.active] ?? 0,
    receivedBytesPerSecond: rate(loadField.bytesIn),
    sentBytesPerSecond: rate(loadField.bytesOut),
  };
}

function latencyOf(sum: LoadRow, from: number): LoadLatency | undefined {
  const counts = sum.subarray(from, from + latencyBuckets);
  const p50Ms = quantileMs(counts, 0.5);
  const p99Ms = quantileMs(counts, 0.99);
  if (p50Ms === undefined || p99Ms === undefined) return undefined;
  return { p50Ms: rounded(p50Ms), p99Ms: rounded(p99Ms) };
}

/** Buckets know no more than this. */
function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function secondsIn(
  query: HttpQuery,
  about: { readonly name: string; readonly fallback: number },
): number {
  const text = query.text(about.name);
  if (text === undefined) return about.fallback;
  const seconds = Number(text);
  if (/^\d{1,4}$/.test(text) && seconds >= 1 && seconds <= loadHistorySeconds) return seconds;
  throw new MeshError(
    "MESH_USAGE",
    `Cannot look back ${about.name} "${text}": it is not a number from 1 to ${loadHistorySeconds}`,
  );
}

function refuseUnknown({ core }: AgentView, wanted: string): void {
  const id = parseServiceId(wanted);
  if (core.resources.service(id) !== undefined) return;
  const known = [...core.resources.services()].map((service) => service.id);
  throw new MeshError(
    "MESH_NOT_FOUND",
    `Cannot find service "${id}": nobody offers it here${didYouMean(id, known)}`,
  );
}

function nameOf({ service, member, zone, by }: LoadKey): string {
  return `${service} ${by} ${member}/${zone}`;
}

function byName(left: LoadKey, right: LoadKey): number {
  return nameOf(left) < nameOf(right) ? -1 : 1;
}
