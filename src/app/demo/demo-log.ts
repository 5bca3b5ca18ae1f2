import { destination } from "pino";
import type { Log } from "../../mesh/ports.ts";
import { createLog } from "../../telemetry/io/log.ts";

/** The demo's screen belongs to the demo: what its processes say goes to files. */
export function demoLog(file: string): Log {
  return createLog({ level: "info", to: destination({ dest: file, sync: true, mkdir: true }) });
}
