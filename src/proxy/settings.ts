import { connectTimeoutMsFor } from "./connect-timeout.ts";

/**
 * The settings that make failover lossless; each was measured against a real proxy. What depends on
 * the mesh (round-trip times) is an argument, the rest is not an option.
 */
export interface ProxySettings {
  /** Bounds TCP connect plus TLS handshake. From `nextConnectTimeout`. */
  readonly connectTimeoutMs: number;
}

/**
 * How often a connection over HTTP/2 is asked whether its far end still works. With the timeout this bounds
 * how long a request waits for a hung peer.
 */
export const pingIntervalMs = 500;

/**
 * When an unanswered ping ends its connection: any frame that comes in meanwhile counts as an answer. Longer
 * than a connect may take, because it ends requests and not attempts, and a way that suddenly takes half a
 * second more must not end them.
 */
export function pingTimeoutMs(settings: ProxySettings): number {
  return settings.connectTimeoutMs + 500;
}

/**
 * When bytes that nobody acknowledges end their connection. HTTP/2 has its pings, and does not wait for it; a
 * connection of bytes must survive what its path may suddenly take longer. On Linux it also ends a quiet
 * connection whose keepalive is overdue, whatever number of probes is allowed: it must leave room for some.
 * It counts from the first retransmission and is looked at with the next: bytes end their connection up to
 * 0.8 s later.
 */
export function tcpUserTimeoutMs(settings: ProxySettings): number {
  return Math.max(4_000, 4 * settings.connectTimeoutMs);
}

/** A quiet connection is asked after 2 s, then each second: two lost answers make it 4 s. */
export const tcpKeepalive = {
  keepaliveTime: 2,
  keepaliveInterval: 1,
  keepaliveProbes: 3,
} as const;

export const defaultProxySettings: ProxySettings = {
  connectTimeoutMs: connectTimeoutMsFor(0),
};

/** Spill to the next level starts when less than 100/140 = 72 % of a level is healthy. */
export const overprovisioningFactor = 140;

/**
 * Traffic when nobody is healthy: with 0 every request fails for as long as ejections last, with 1 %
 * hosts that came back are found at once. Panic counts hosts, hence `maxUnhealthyPerHealthy`.
 */
export const panicThresholdPercent = 1;

/** One healthy host among 100 is still no panic, and 140/100 of its share still rounds to 1 %. */
export const maxUnhealthyPerHealthy = 99;

// Every open connection, pending request and retry of one sidecar towards one service. The proxy's
// own default (1,024; retries 3) refuses traffic in a failover, when everything in flight is retried.
export const maxInFlight = 10_000;

/** Attempts of one TCP connection: the hosts that may be dead, plus two. */
export const maxConnectAttempts = 6;

/**
 * A client that multiplexes would stick to one pod behind a gateway for ever. 100 would spread sooner, but then
 * handshakes cost a third of the CPU of a request's path; clients that ask seldom move by age.
 */
export const maxRequestsPerConnection = 1_000;
export const maxConnectionAgeMs = 60_000;

/** What the far sidecar adds when it could not reach its application: the request was never seen. */
export const unreachedHeader = "x-isthmus-unreached";

/** What it adds when its application cut a request that it may have seen: only some methods may repeat it. */
export const cutHeader = "x-isthmus-cut";
