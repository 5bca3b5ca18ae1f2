import { serveEngineWorker } from "../../../src/dataplane/io/serve-worker.ts";
import { spiffeIdOf } from "./certificates.ts";
import { realClock, silent } from "./parts.ts";

serveEngineWorker({ spiffeIdOf, log: silent, clock: realClock, random: Math.random });
