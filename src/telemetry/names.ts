/** From quiet to loud; `silent` is for tests. */
export const logLevels = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * Every field a log line may carry, and what it holds. Closed, so that a query written once finds
 * the same thing in every line; `test/telemetry/names.test.ts` compares it with the calls.
 */
export const logFields: Readonly<Record<string, string>> = {
  actionMs: "how long it took, in milliseconds",
  address: "host:port of the other side, or where we listen",
  charter: "number of a charter",
  code: "error or finding code, see docs/errors.md",
  config: "the configuration in force, redacted",
  count: "how many",
  delayMs: "until the next try, in milliseconds",
  err: "the error with its causes",
  file: "path of a file",
  group: "namespace/name of a WorkloadGroup",
  hub: "name of a catalog store",
  id: "SPIFFE ID of the other side",
  listener: "name of a listener",
  member: "name of a member of the mesh",
  name: "name of the thing itself",
  node: "xDS node id of a proxy",
  notAfterMs: "when a certificate ends, epoch milliseconds",
  names: "names of xDS resources",
  part: "part of Envoy that says something",
  owner: "instance and host that write a shard",
  peer: "SPIFFE ID of the other side",
  reason: "one sentence: what is true",
  remote: "IP address of the other side",
  resource: "name of an xDS resource",
  role: "sidecar, gateway or agent",
  self: "member that this process belongs to",
  service: "namespace/name of a service",
  signal: "name of a process signal",
  sni: "server name of a ClientHello",
  state: "the state now",
  suppressed: "how many like lines were left out since the last",
  type: "kind of xDS resource",
  version: "of a program",
  worker: "index of a worker process",
};
