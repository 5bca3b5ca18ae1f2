import type { EngineCounts, ListenerReport, RefusalClass } from "../engine-port.ts";

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

type Sum = Exclude<keyof Omit<EngineCounts, "restarts" | "refused" | "probes">, never>;

const sums: readonly (readonly [RegExp, Sum | RefusalClass | "http" | "requests" | "connected"])[] =
  [
    [/^listener\.(?!admin\.).*\.downstream_cx_active$/, "open"],
    [/^listener\.(?!admin\.).*\.downstream_cx_total$/, "accepted"],
    [/^cluster\.(?!xds\.).*\.upstream_cx_connect_fail$/, "connectFailures"],
    [/^cluster\.(?!xds\.).*\.upstream_rq_retry$/, "retries"],
    [/^cluster\.(?!xds\.).*\.outlier_detection\.ejections_enforced_total$/, "ejections"],
    [/\.update_rejected$/, "nacks"],
    [/^listener\..*\.downstream_pre_cx_timeout$/, "hello"],
    [/^tls_inspector\.client_hello_too_large$/, "hello"],
    [/^listener\..*\.no_filter_chain_match$/, "name"],
    [/^tcp\..*\.downstream_cx_no_route$/, "name"],
    [/^listener\..*\.ssl\.(?:fail_verify_error|fail_verify_no_cert|fail_verify_san)$/, "peer"],
    [/^listener\..*\.downstream_(?:global_)?cx_overflow$/, "limit"],
    [/^listener\..*\.downstream_cx_overload_reject$/, "limit"],
    [/^http\.(?!admin\.).*\.downstream_cx_active$/, "http"],
    [/^http\.(?!admin\.).*\.downstream_rq_active$/, "requests"],
    [/^control_plane\.connected_state$/, "connected"],
  ];

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
  const total = { open: 0, accepted: 0, connectFailures: 0, retries: 0, ejections: 0, nacks: 0 };
  const refused = { hello: 0, name: 0, peer: 0, limit: 0, other: 0 };
  const other = { http: 0, requests: 0, connected: 0 };
  const all: Record<string, number> = { ...total, ...refused, ...other };
  for (const { name, value } of stats) {
    const key = sums.find(([shape]) => shape.test(name))?.[1];
    if (key !== undefined) all[key] = (all[key] ?? 0) + value;
  }
  const of = <Key extends string>(keys: Readonly<Record<Key, number>>): Record<Key, number> =>
    Object.fromEntries(Object.keys(keys).map((key) => [key, all[key] ?? 0])) as Record<Key, number>;
  const { http, requests, connected } = of(other);
  const { open, ...rest } = of(total);
  return {
    counts: { open, ...rest, refused: of(refused) },
    isConnected: connected > 0,
    busy: requests + Math.max(0, open - http),
  };
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
