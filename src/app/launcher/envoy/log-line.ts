/** One line of Envoy's own log. */
export interface EnvoyLogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  /** Part of Envoy that says it: `config`, `main`, `upstream`. */
  readonly part: string;
  readonly text: string;
}

/** For `--log-format`; `%j` is the message, escaped for JSON. */
export const envoyLogFormat: string = '{"level":"%l","part":"%n","text":"%j"}';

const levels: ReadonlyMap<string, EnvoyLogLine["level"]> = new Map([
  ["trace", "debug"],
  ["debug", "debug"],
  ["info", "info"],
  ["warning", "warn"],
  ["error", "error"],
  ["critical", "error"],
]);

/** What is not in that format comes from whatever died before it could keep to it. */
export function parseLogLine(line: string): EnvoyLogLine {
  try {
    const { level, part, text } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (typeof level === "string" && typeof part === "string" && typeof text === "string") {
      return { level: levels.get(level) ?? "warn", part, text };
    }
  } catch {
    // Told as it stands.
  }
  return { level: "error", part: "", text: line };
}
