import type { EngineCounts, ListenerReport } from "../engine-port.ts";

/** One entry of Envoy's `/stats?format=json`. */
export interface EnvoyStat {
  readonly name: string;
  readonly value: number;
}

export interface EnvoyCounts {
  readonly counts: Omit<EngineCounts, "restarts">;
  readonly isConnected: boolean;
  /** Requests and connections that would be cut if it ended now; resting HTTP connections are none. */
  readonly busy: number;
}

type Key = keyof ReturnType<typeof zeroSums>;

/** Without what each worker has of it, which is told as well. */
const listener = String.raw`^listener\.(?!admin\.|.*\.worker_\d+\.).*\.`;
const upstream = String.raw`^cluster\.(?!xds\.).*\.`;
const http = String.raw`^http\.(?!admin\.).*\.`;

const sums: readonly (readonly [RegExp, Key])[] = [
  [new RegExp(`${listener}downstream_cx_active$`), "open"],
  [new RegExp(`${listener}downstream_cx_total$`), "accepted"],
  [new RegExp(`${upstream}upstream_cx_connect_fail$`), "connectFailures"],
  [new RegExp(`${upstream}upstream_rq_retry$`), "retries"],
  [new RegExp(`${upstream}ejections_enforced_total$`), "ejections"],
  [/\.update_rejected$/, "nacks"],
  [new RegExp(`${listener}downstream_pre_cx_timeout$`), "hello"],
  [/^tls_inspector\.client_hello_too_large$/, "hello"],
  [new RegExp(`${listener}no_filter_chain_match$`), "name"],
  [/^tcp\..*\.downstream_cx_no_route$/, "name"],
  [new RegExp(`${listener}ssl\\.fail_verify_(?:error|no_cert|san)$`), "peer"],
  [new RegExp(`${listener}downstream_(?:cx|global_cx)_overflow$`), "limit"],
  [new RegExp(`${listener}downstream_cx_overload_reject$`), "limit"],
  [new RegExp(`${http}downstream_cx_active$`), "http"],
  [new RegExp(`${http}downstream_rq_active$`), "requests"],
  [/^control_plane\.connected_state$/, "connected"],
];

function zeroSums() {
  const counted = { open: 0, accepted: 0, connectFailures: 0, retries: 0, ejections: 0, nacks: 0 };
  const refused = { hello: 0, name: 0, peer: 0, limit: 0, other: 0 };
  return { ...counted, ...refused, http: 0, requests: 0, connected: 0 };
}

/** Only what is added up, and of that only what was ever touched: there may be 100,000 others. */
export const statsPath: string = `/stats?format=json&usedonly&filter=${encodeURIComponent(
  "(downstream_(cx|rq)_active|downstream_cx_total|upstream_cx_connect_fail|upstream_rq_retry|" +
    "ejections_enforced_total|update_rejected|downstream_pre_cx_timeout|client_hello_too_large|" +
    "no_filter_chain_match|downstream_cx_no_route|fail_verify_(error|no_cert|san)|_overflow|" +
    "overload_reject|connected_state)$",
)}`;

export function readStats(json: string): readonly EnvoyStat[] {
  const { stats } = JSON.parse(json) as { readonly stats: readonly Partial<EnvoyStat>[] };
  return stats.flatMap(({ name, value }) =>
    name === undefined || value === undefined ? [] : [{ name, value }],
  );
}

export function countsOf(stats: readonly EnvoyStat[]): EnvoyCounts {
  const all = zeroSums();
  for (const { name, value } of stats) {
    const key = sums.find(([shape]) => shape.test(name))?.[1];
    if (key !== undefined) all[key] += value;
  }
  const { hello, name, peer, limit, other, http: httpOpen, requests, connected, ...counted } = all;
  return {
    counts: { ...counted, refused: { hello, name, peer, limit, other } },
    isConnected: connected > 0,
    busy: requests + Math.max(0, counted.open - httpOpen),
  };
}

/** Both are 0 as soon as every listener of the configuration listens. */
export const listeningPath: string = `/stats?format=json&filter=${encodeURIComponent(
  "^listener_manager\\.(total_listeners_warming|listener_create_failure)$",
)}`;

/** Of that path: how many wait for the rest of their configuration, and how many could not be opened. */
export function listeningIn(json: string): { readonly warming: number; readonly failed: number } {
  const stats = readStats(json);
  const of = (end: string): number => stats.find(({ name }) => name.endsWith(end))?.value ?? 0;
  return { warming: of("total_listeners_warming"), failed: of("listener_create_failure") };
}

/** Of `/listeners?format=json`. */
export function readListeners(json: string): readonly ListenerReport[] {
  const { listener_statuses: statuses = [] } = JSON.parse(json) as {
    readonly listener_statuses?: readonly {
      readonly name: string;
      readonly local_address?: {
        readonly socket_address?: { readonly address: string; readonly port_value: number };
      };
    }[];
  };
  return statuses.flatMap(({ name, local_address: local }) => {
    const socket = local?.socket_address;
    return socket === undefined
      ? []
      : [{ name, address: { host: socket.address, port: socket.port_value } }];
  });
}
