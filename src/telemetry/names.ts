/** From quiet to loud; `silent` is for tests. */
export const logLevels = ["silent", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * Every field a log line may carry, and what it holds. Closed, so that a query written once finds
 * the same thing in every line; `test/telemetry/names.test.ts` compares it with the calls.
 */
export const logFields: Readonly<Record<string, string>> = {
  action: "what was being done",
  actionMs: "how long it took, in milliseconds",
  address: "host:port of the other side, or where we listen",
  attempt: "which try this is, from 1",
  bytes: "size in bytes",
  charter: "number of a charter",
  code: "error or finding code, see docs/errors.md",
  config: "the configuration in force, redacted",
  count: "how many",
  delayMs: "until the next try, in milliseconds",
  digest: "SHA-256 of content, hex",
  endpoint: "address and port of a workload",
  epoch: "epoch of a shard",
  err: "the error with its causes",
  file: "path of a file",
  finding: "one finding, whole",
  from: "the earlier state",
  holder: "who holds the name or the lock",
  id: "SPIFFE ID of the other side",
  lagMs: "by how much the event loop was late, in milliseconds",
  listener: "name of a listener",
  member: "name of a member of the mesh",
  name: "name of the thing itself",
  node: "xDS node id of a proxy",
  notAfterMs: "when a certificate ends, epoch milliseconds",
  number: "a position or version number",
  pid: "process id of a worker",
  reason: "one sentence: what is true",
  resource: "name of an xDS resource",
  role: "sidecar, gateway or agent",
  rttMs: "round-trip time in milliseconds",
  seq: "sequence number of a shard",
  service: "namespace/name of a service",
  signal: "name of a process signal",
  sni: "server name of a ClientHello",
  source: "name of a workload source",
  state: "the state now",
  store: "name of a catalog store",
  suppressed: "how many like lines were left out since the last",
  type: "kind of xDS resource",
  version: "version of the software or of a resource",
  worker: "index of a worker process",
};
