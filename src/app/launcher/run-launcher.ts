import { createLog } from "../../telemetry/io/log.ts";
import { redact } from "../../telemetry/redact.ts";
import type { Ran } from "../agent/run-agent.ts";
import type { EngineConfig } from "../config/config.ts";
import type { Parsed } from "../config/config-parser.ts";
import { loadGatewayConfig, loadSidecarConfig, readSidecarConfig } from "../config/load-config.ts";
import { runService } from "../lifecycle.ts";
import { openServiceManager } from "../service-manager.ts";
import {
  type LauncherParts,
  type RunningEngine,
  startGateway,
  startSidecar,
} from "./engine-launcher.ts";

/** `isthmus gateway`: runs until a signal. Throws what `startGateway` throws. */
export function runGateway(file: string): Promise<Ran> {
  const parsed = loadGatewayConfig(file);
  const drainMs = parsed.t === "ok" ? parsed.config.drainMs : undefined;
  return run(parsed, {
    fields: { role: "gateway" },
    ...(drainMs === undefined ? {} : { deadlineMs: drainMs }),
    start: (config, parts) => startGateway(config, parts),
  });
}

/** A file, or the text of one that stands in a variable. */
export type SidecarConfigPlace =
  | { readonly file: string }
  | { readonly name: string; readonly text: string };

/** `isthmus sidecar`: runs until a signal. Throws what `startSidecar` throws. */
export function runSidecar(where: SidecarConfigPlace): Promise<Ran> {
  const parsed = "file" in where ? loadSidecarConfig(where.file) : readSidecarConfig(where);
  const name = parsed.t === "ok" ? { name: parsed.config.workload } : {};
  return run(parsed, {
    fields: { role: "sidecar", ...name },
    start: (config, parts) => startSidecar(config, parts),
  });
}

async function run<Config extends EngineConfig>(
  parsed: Parsed<Config>,
  how: {
    readonly fields: object;
    /** For a good end; default: that of all processes. */
    readonly deadlineMs?: number;
    readonly start: (config: Config, parts: LauncherParts) => Promise<RunningEngine>;
  },
): Promise<Ran> {
  if (parsed.t === "invalid") return { t: "misconfigured", problems: parsed.problems };
  const { config } = parsed;
  const log = createLog({ level: config.logLevel, fields: how.fields });
  log.info({ config: redact(config) }, "Configuration read");
  using manager = openServiceManager(log);
  const code = await runService(
    async (signal) => {
      const engine = await how.start(config, { log, signal });
      engine.whenReady.then(
        () => {
          log.info({}, "Ready");
          manager.ready("serves");
        },
        // The engine has said why and tries again.
        () => undefined,
      );
      return {
        stop: (options) => {
          manager.stopping();
          return engine.stop(options);
        },
      };
    },
    { log, ...(how.deadlineMs === undefined ? {} : { deadlineMs: how.deadlineMs }) },
  );
  return { t: "ended", code };
}
