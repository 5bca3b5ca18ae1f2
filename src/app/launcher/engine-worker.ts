import { isEngineWorker, serveEngineWorker } from "../../dataplane/io/serve-worker.ts";
import { createLog } from "../../telemetry/io/log.ts";
import { realClock } from "../real-time.ts";
import { spiffeIdOf } from "./spiffe-id-of.ts";
import { verifyChain } from "./verify-chain.ts";

// The entry of each worker thread: one engine for the thread that started it.
if (isEngineWorker()) {
  serveEngineWorker({
    spiffeIdOf,
    verifyChain,
    log: createLog({ level: "info", fields: { role: "worker" } }),
    clock: realClock,
    random: Math.random,
  });
}
