import { type DestinationStream, destination, type Logger, pino } from "pino";
import type { Log } from "../../mesh/ports.ts";
import type { LogLevel } from "../names.ts";
import { redact } from "../redact.ts";

export interface LogOptions {
  readonly level: LogLevel;
  /** In every line: which process speaks. */
  readonly fields?: object;
  /** Where lines go; absent: standard output. */
  readonly to?: DestinationStream;
}

/** JSON lines with redaction. The last words of a dying process matter, so writes are synchronous. */
export function createLog(options: LogOptions): Log {
  const logger: Logger = pino(
    {
      level: options.level,
      base: { pid: process.pid, ...options.fields },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: {
        level: (level) => ({ level }),
        log: (fields) => redact(fields) as Record<string, unknown>,
      },
      // The formatter has spelled errors out already, causes included.
      serializers: { err: (value: unknown) => value },
    },
    options.to ?? destination({ fd: 1, sync: true }),
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}
