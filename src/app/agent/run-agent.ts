import { createLog } from "../../telemetry/io/log.ts";
import { redact } from "../../telemetry/redact.ts";
import { createTelemetry } from "../../telemetry/registry.ts";
import type { ConfigProblem } from "../config/config-parser.ts";
import { loadAgentConfig } from "../config/load-config.ts";
import { runService } from "../lifecycle.ts";
import { startAgent } from "./agent.ts";
import { openHubs } from "./hubs/open-hubs.ts";
import { keepHeapLean } from "./lean-heap.ts";

/** How a service ended: its exit code, or why it never started. */
export type Ran =
  | { readonly t: "ended"; readonly code: number }
  | { readonly t: "misconfigured"; readonly problems: readonly ConfigProblem[] };

/** `isthmus agent`: runs until a signal. Throws what `startAgent` throws. */
export async function runAgent(file: string): Promise<Ran> {
  const parsed = loadAgentConfig(file);
  if (parsed.t === "invalid") return { t: "misconfigured", problems: parsed.problems };
  const { config } = parsed;
  const log = createLog({
    level: config.logLevel,
    fields: { role: "agent", self: config.member.name },
  });
  log.info({ config: redact(config) }, "Configuration read");
  const warm = Promise.withResolvers<void>();
  keepHeapLean(warm.promise);
  const code = await runService(
    async (signal) => {
      const telemetry = createTelemetry("agent");
      const stores = openHubs(config, { log, telemetry });
      const agent = await startAgent(config, { stores, log, telemetry, signal });
      void agent.whenWarm.then(() => {
        log.info({}, "Serves proxies");
        warm.resolve();
      });
      return agent;
    },
    { log },
  );
  return { t: "ended", code };
}
