import type { HealthCheck, HealthProbe } from "../../../mesh/health-check.ts";
import type { Fields } from "./fields.ts";
import { readDurationMs } from "./read-duration.ts";

const kinds = ["http", "tcp", "grpc", "exec"] as const;
const fieldNames = [...kinds, "period", "timeout", "failureThreshold", "successThreshold"];
const portRange = { min: 1, max: 65_535 };
const thresholds = { min: 1, max: 100 };
// As the CustomResourceDefinition has it.
const maxWords = 64;
const maxWordChars = 1024;
// Printable ASCII without blanks: the path goes into a request line as it stands.
const pathRule = {
  pattern: /^\/[!-~]{0,1023}$/,
  wants: "a path that starts with / and has no blanks",
};
const serviceRule = { pattern: /^[!-~]{0,253}$/, wants: "the name of a gRPC service" };

// Kubernetes' own, for the same fields.
const defaults = { periodMs: 10_000, timeoutMs: 1_000, failures: 3, successes: 1 } as const;
// A check that never ends must not outlive a day, and one each millisecond is an attack.
const periods = { minMs: 100, maxMs: 86_400_000 };

/** Reads `healthCheck` of a WorkloadGroup's spec; undefined when there is none, or, with problems, a wrong one. */
export function readHealthCheck(spec: Fields): HealthCheck | undefined {
  const fields = spec.fields("healthCheck");
  if (fields === undefined) return undefined;
  fields.expectOnly(fieldNames);
  const named = kinds.filter((kind) => fields.raw(kind) !== undefined);
  const [kind] = named;
  if (kind === undefined || named.length > 1) {
    return spec.refuse("healthCheck", `it has ${named.length} of ${kinds.join(", ")}; write one`);
  }
  const periodMs = readDurationMs(fields, "period", periods) ?? defaults.periodMs;
  const timeoutMs =
    readDurationMs(fields, "timeout", periods) ?? Math.min(defaults.timeoutMs, periodMs);
  if (timeoutMs > periodMs) fields.refuse("timeout", "it is longer than the period");
  const failureThreshold = fields.integer("failureThreshold", thresholds) ?? defaults.failures;
  const successThreshold = fields.integer("successThreshold", thresholds) ?? defaults.successes;
  const probe = probeOf(fields, kind);
  if (probe === undefined) return undefined;
  return { probe, periodMs, timeoutMs, failureThreshold, successThreshold };
}

function probeOf(check: Fields, kind: (typeof kinds)[number]): HealthProbe | undefined {
  const fields = check.fields(kind);
  if (fields === undefined) return undefined;
  if (kind === "exec") return execOf(fields);
  fields.expectOnly({ http: ["port", "path"], tcp: ["port"], grpc: ["port", "service"] }[kind]);
  fields.require("port", "write the port that is asked");
  const port = fields.integer("port", portRange);
  if (port === undefined) return undefined;
  if (kind === "tcp") return { t: kind, port };
  if (kind === "http") return { t: kind, port, path: fields.text("path", pathRule) ?? "/" };
  const service = fields.text("service", serviceRule) ?? "";
  return { t: kind, port, ...(service === "" ? {} : { service }) };
}

function execOf(fields: Fields): HealthProbe | undefined {
  fields.expectOnly(["command"]);
  fields.require("command", "write the program and its arguments as a list");
  const words = fields.list("command", maxWords).map(({ value }) => value);
  const isSound = (word: unknown): word is string =>
    typeof word === "string" && word.length <= maxWordChars && !word.includes("\0");
  if (words.length > 0 && words.every(isSound) && words[0] !== "")
    return { t: "exec", command: words };
  return fields.refuse("command", "it has to be a list of texts, with the program first");
}
