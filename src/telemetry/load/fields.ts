import { latencyBuckets } from "./latency.ts";

/**
 * How a connection or request to an upstream ended badly. `refused`, `timeout` and `tls`: none came to
 * be; `reset`: the upstream broke an open one; `cut`: this proxy did, because its host fell; `status`:
 * an HTTP error; `aborted`: the caller left, which is no fault of the upstream. The last two had no
 * upstream at all.
 */
export const loadErrors = [
  "refused",
  "timeout",
  "tls",
  "reset",
  "cut",
  "status",
  "aborted",
  "no-host",
  "over-limit",
] as const;
export type LoadError = (typeof loadErrors)[number];

/** One row of counts; see `loadField` for what stands where. */
export type LoadRow = Float64Array;

const issuedAt = 0;
const okAt = 1;
const activeAt = 2;
const bytesInAt = 3;
const bytesOutAt = 4;
const errorsAt = 5;
const connectAt: number = errorsAt + loadErrors.length;
const firstByteAt: number = connectAt + latencyBuckets;

/** Numbers in a row: at 64, one is 512 bytes. */
export const loadWidth: number = firstByteAt + latencyBuckets;

interface LoadFields {
  /** Connections or requests begun. */
  readonly issued: number;
  /** Ended well. */
  readonly ok: number;
  readonly active: number;
  /** Payload from the upstream. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** First of the latency buckets from the begin of a connect to its end, handshake included. */
  readonly connect: number;
  /** First of the latency buckets from then to the first byte of the upstream. */
  readonly firstByte: number;
}

/** Index in a row. `active` is a state, all others are counts. */
export const loadField: LoadFields = {
  issued: issuedAt,
  ok: okAt,
  active: activeAt,
  bytesIn: bytesInAt,
  bytesOut: bytesOutAt,
  connect: connectAt,
  firstByte: firstByteAt,
};

export function errorField(kind: LoadError): number {
  return errorsAt + loadErrors.indexOf(kind);
}

/** How many connections came to be. */
export function connectedIn(row: LoadRow): number {
  let sum = 0;
  for (let index = 0; index < latencyBuckets; index += 1) sum += row[connectAt + index] ?? 0;
  return sum;
}

/** How many connections did not come to be, though there was a host to try. */
export function connectFailuresIn(row: LoadRow): number {
  return (
    (row[errorField("refused")] ?? 0) +
    (row[errorField("timeout")] ?? 0) +
    (row[errorField("tls")] ?? 0)
  );
}

/** What went wrong and was not the caller's own doing. */
export function failuresIn(row: LoadRow): number {
  let sum = 0;
  for (let index = errorsAt; index < connectAt; index += 1) sum += row[index] ?? 0;
  return sum - (row[errorField("aborted")] ?? 0);
}

/**
 * 0..1; undefined when nothing began or ended. A connection may fail long after it began, so failures
 * are held against what began or what ended, whichever is more.
 */
export function successRatioOf(row: LoadRow): number | undefined {
  const failed = failuresIn(row);
  const most = Math.max(row[loadField.issued] ?? 0, (row[loadField.ok] ?? 0) + failed);
  return most === 0 ? undefined : 1 - failed / most;
}

/** Adds counts to counts; `active` is not a count and stays. */
export function addRow(to: LoadRow, from: LoadRow): void {
  for (let index = 0; index < loadWidth; index += 1) {
    if (index !== activeAt) to[index] = (to[index] ?? 0) + (from[index] ?? 0);
  }
}
