import type { Outcome } from "./run-fault.ts";

/** Rows of the table that the product must reach, with the Envoy engine. */
export type RowName =
  | "app dead behind its sidecar"
  | "control plane dead"
  | "control plane dead, app dies"
  | "gateway ends in good order"
  | "links slow or lossy"
  | "local gone in good order"
  | "local killed"
  | "local silent"
  | "one gateway killed"
  | "one gateway silent"
  | "one replaced"
  | "region silent";

export interface Target {
  readonly what: string;
  readonly value: (outcome: Outcome) => number;
  readonly atMost: (outcome: Outcome) => number;
}

const exactly =
  (limit: number): Target["atMost"] =>
  () =>
    limit;

const noIdempotentFails: Target = {
  what: "idempotent failed",
  value: ({ http }) => http.idempotentFailed,
  atMost: exactly(0),
};
const othersInFlight: Target = {
  what: "others failed",
  value: ({ http }) => http.othersFailed,
  atMost: ({ http }) => http.inFlight,
};
const noOthersFail: Target = { ...othersInFlight, atMost: exactly(0) };
const noneElsewhere: Target = {
  what: "failed of other callers",
  value: ({ elsewhereFailed }) => elsewhereFailed,
  atMost: exactly(0),
};
const noneTwice: Target = {
  what: "others carried out twice",
  value: ({ twice }) => twice,
  atMost: exactly(0),
};
const noStrays: Target = {
  what: "left the region",
  value: ({ http }) => http.strays,
  atMost: exactly(0),
};
// Times hold within a region: what is answered by another one takes its round trip on top,
// and three of them on a new connection.
const onNewConnection =
  (ms: number): Target["atMost"] =>
  ({ rttMs }) =>
    ms + 3 * rttMs;
const worst = (ms: number): Target => ({
  what: "worst ms",
  value: ({ http }) => http.worst,
  atMost: onNewConnection(ms),
});
const p999 = (ms: number): Target => ({
  what: "p99.9 ms",
  value: ({ http }) => http.p999,
  atMost: ({ rttMs }) => ms + rttMs,
});
const moved = (ms: number): Target => ({
  what: "moved ms",
  value: ({ http }) => http.moved,
  atMost: exactly(ms),
});
/** Back to normal: the same for every fault. */
const back: readonly Target[] = [
  { what: "failed on the way back", value: ({ http }) => http.backFailed, atMost: exactly(0) },
  {
    what: "worst on the way back ms",
    value: ({ http }) => http.backWorst,
    atMost: onNewConnection(150),
  },
  {
    what: "back ms",
    value: ({ http, struckShare }) =>
      struckShare === 0 ? 0 : (http.back ?? Number.POSITIVE_INFINITY),
    atMost: exactly(30_000),
  },
];
const heldForDead = (ms: number): Target => ({
  what: "next region held for dead ms",
  value: ({ declaredDead }) => declaredDead["us"] ?? Number.POSITIVE_INFINITY,
  atMost: exactly(ms),
});
const nobodyHeldForDead: Target = {
  what: "members held for dead",
  value: ({ declaredDead }) => Object.keys(declaredDead).length,
  atMost: exactly(0),
};
const tcp: readonly Target[] = [
  { what: "new TCP failed", value: (one) => one.tcpNew.laterFailed, atMost: exactly(0) },
  { what: "new TCP worst ms", value: (one) => one.tcpNew.worst, atMost: onNewConnection(1100) },
  { what: "new TCP moved ms", value: (one) => one.tcpNew.moved, atMost: exactly(4000) },
];
const oldTcpClosed: Target = {
  what: "old TCP closed ms",
  value: ({ tcpHeld }) => tcpHeld.steady,
  atMost: exactly(5000),
};
const always = [noIdempotentFails, noneTwice, noneElsewhere, ...back, ...tcp];

const targets: Readonly<Record<RowName, readonly Target[]>> = {
  "local gone in good order": [...always, noOthersFail, p999(50), worst(150), moved(300)],
  "local killed": [...always, othersInFlight, p999(50), worst(150), moved(300), oldTcpClosed],
  "local silent": [...always, othersInFlight, worst(1800), moved(2000), oldTcpClosed],
  "app dead behind its sidecar": [...always, othersInFlight, worst(150), moved(300), oldTcpClosed],
  "one gateway killed": [...always, othersInFlight, worst(150), noStrays, oldTcpClosed],
  "one gateway silent": [...always, othersInFlight, worst(1800), noStrays, oldTcpClosed],
  "region silent": [
    ...always,
    othersInFlight,
    worst(1800),
    moved(2000),
    oldTcpClosed,
    heldForDead(4000),
  ],
  "control plane dead": [...always, noOthersFail, worst(150)],
  "control plane dead, app dies": [...always, othersInFlight, worst(1800), moved(2000)],
  // It takes traffic for as long as it asks its callers to leave.
  "one replaced": [
    ...always.filter(({ what }) => !what.includes("moved")),
    noOthersFail,
    p999(50),
    worst(150),
  ],
  "gateway ends in good order": [...always, noOthersFail],
  "links slow or lossy": [noIdempotentFails, noOthersFail, noneTwice, noStrays, nobodyHeldForDead],
};

export interface Verdict {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly isMet: boolean;
}

export function judge(outcome: Outcome): readonly Verdict[] {
  return targets[outcome.row].map(({ what, value, atMost }) => {
    const measured = value(outcome);
    const limit = atMost(outcome);
    return { what, value: measured, limit, isMet: measured <= limit };
  });
}
