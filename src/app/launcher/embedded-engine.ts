import { type RefusalReason, refusalReasons } from "../../dataplane/counters.ts";
import { Engine, type EngineStatus } from "../../dataplane/io/engine.ts";
import { EngineWorkers } from "../../dataplane/io/workers.ts";
import { formatHostPort } from "../../mesh/address.ts";
import type { EngineCounts, LaunchedEngine, RefusalClass } from "./engine-port.ts";
import { spiffeIdOf } from "./spiffe-id-of.ts";
import { verifyChain } from "./verify-chain.ts";

type EmbeddedParts = Omit<ConstructorParameters<typeof Engine>[0], "spiffeIdOf" | "verifyChain">;

/** One engine in this thread, or `workers` of them in their own. */
export function startEmbedded(workers: number, parts: EmbeddedParts): LaunchedEngine {
  const engine =
    workers === 1
      ? new Engine({ ...parts, spiffeIdOf, verifyChain })
      : new EngineWorkers({ ...parts, count: workers, entry: workerEntry() });
  return {
    ready: engine.ready,
    isReady: () => engine.status().isReady,
    listeners: () => engine.status().listeners,
    pid: () => undefined,
    report: async () => {
      const { counters, ...rest } = engine.status();
      const destinations =
        "destinations" in engine ? engine.destinations().map(formatHostPort) : [];
      return { ...rest, counts: countsOf(counters), details: { counters, destinations } };
    },
    drain: (graceMs) => engine.drain(graceMs),
    close: () => engine.close(),
  };
}

/** In the bundle every module is one file, whose entry starts the worker. */
function workerEntry(): URL {
  return import.meta.url.endsWith(".ts")
    ? new URL("./engine-worker.ts", import.meta.url)
    : new URL(import.meta.url);
}

const refusalClass: Readonly<Record<RefusalReason, RefusalClass>> = {
  "not-tls": "hello",
  malformed: "hello",
  "too-large": "hello",
  "hello-timeout": "hello",
  "hello-cut": "hello",
  "hello-evicted": "limit",
  "no-filter-chain": "name",
  "no-cluster": "name",
  "no-host": "other",
  "handshake-failed": "peer",
  "handshake-timeout": "peer",
  "no-validation": "peer",
  "not-allowed": "peer",
  "over-limit": "limit",
  draining: "other",
};

function countsOf(counters: EngineStatus["counters"]): EngineCounts {
  const refused = { hello: 0, name: 0, peer: 0, limit: 0, other: 0 };
  for (const reason of refusalReasons) refused[refusalClass[reason]] += counters.refused[reason];
  return {
    open: counters.open,
    accepted: counters.accepted,
    refused,
    connectFailures: counters.connectFailures,
    retries: counters.retries,
    ejections: counters.ejections,
    nacks: counters.xdsNacks,
    probes: counters.probesAnswered,
    restarts: 0,
  };
}
