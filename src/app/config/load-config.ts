import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { reasonOf } from "../../mesh/errors.ts";
import { agentConfigParser } from "./agent-config.ts";
import type { AgentConfig, GatewayConfig, SidecarConfig } from "./config.ts";
import { type ConfigProblem, type Parsed, type Parser, parseConfig } from "./config-parser.ts";
import { gatewayConfigParser, sidecarConfigParser } from "./launcher-config.ts";

export function loadAgentConfig(file: string): Parsed<AgentConfig> {
  return load(file, agentConfigParser);
}

export function loadGatewayConfig(file: string): Parsed<GatewayConfig> {
  return load(file, gatewayConfigParser);
}

export function loadSidecarConfig(file: string): Parsed<SidecarConfig> {
  return load(file, sidecarConfigParser);
}

/** Of a text that stands in a variable, because nobody can put a file into a foreign pod. */
export function readSidecarConfig(input: {
  /** Of the variable, for messages. */
  readonly name: string;
  readonly text: string;
}): Parsed<SidecarConfig> {
  const { name, text } = input;
  return parseConfig({ file: name, folder: process.cwd(), text }, sidecarConfigParser);
}

/** `agent.yaml:7: catalog.leaseMs: it is not …` */
export function formatProblem(problem: ConfigProblem): string {
  const line = problem.line === 0 ? "" : `:${problem.line}`;
  const path = problem.path === "" ? "" : ` ${problem.path}:`;
  return `${problem.file}${line}:${path} ${problem.message}`;
}

function load<T>(file: string, parser: Parser<T>): Parsed<T> {
  const read = textOf(file);
  if (read.t === "unreadable") {
    return { t: "invalid", problems: [{ file, line: 0, path: "", message: read.reason }] };
  }
  return parseConfig({ file, folder: dirname(resolve(file)), text: read.text }, parser);
}

type Read =
  | { readonly t: "ok"; readonly text: string }
  | { readonly t: "unreadable"; readonly reason: string };

function textOf(file: string): Read {
  try {
    return { t: "ok", text: readFileSync(file, "utf8") };
  } catch (thrown) {
    return { t: "unreadable", reason: `it cannot be read: ${reasonOf(thrown)}` };
  }
}
