import type { ErrorAnswer } from "../app/api-model.ts";
import { changeHeader } from "../app/changing-requests.ts";
import { type ErrorCode, errorCodes, MeshError, reasonOf } from "../mesh/errors.ts";
import { visible } from "../mesh/visible.ts";
import type { Arguments, Option, Terminal } from "./command.ts";

export const agentOption: Readonly<Record<"agent", Option>> = {
  agent: {
    type: "string",
    hint: "URL",
    about: "the agent's HTTP port (default: $ISTHMUS_AGENT or http://127.0.0.1:15080)",
  },
};

// The agent answers from memory: what takes longer is not coming.
const timeoutMs = 10_000;

interface Asked {
  readonly args: Arguments;
  readonly terminal: Terminal;
}

/** Asks the agent; throws MESH_UNREACHABLE, or what the agent says is wrong. */
export function askAgent<Answer>(path: string, options: Asked): Promise<Answer> {
  return fetchFrom<Answer>(path, { ...options, how: {} });
}

/** A document as the agent holds it, to the byte: not for a terminal. Throws as `askAgent`. */
export async function documentOfAgent(path: string, options: Asked): Promise<string> {
  const { base, status, text } = await ask(path, { ...options, how: {} });
  if (status === 200) return text;
  throw refusalOf(base, { status, body: bodyIn(text, harmless) });
}

/**
 * Has the agent change something; it has to be on this machine. `body` goes with the question. Throws as
 * `askAgent`.
 */
export function changeAtAgent<Answer>(
  path: string,
  options: Asked & { readonly body?: string },
): Promise<Answer> {
  const { body, ...asked } = options;
  const headers = { [changeHeader]: "cli" };
  const how = { method: "POST", headers, ...(body === undefined ? {} : { body }) };
  return fetchFrom<Answer>(path, { ...asked, how });
}

async function fetchFrom<Answer>(
  path: string,
  options: Asked & { readonly how: RequestInit },
): Promise<Answer> {
  const { base, status, text } = await ask(path, options);
  const body = bodyIn(text, options.args.has("json") ? undefined : harmless);
  if (status === 200 && body !== undefined) return body as Answer;
  throw refusalOf(base, { status, body });
}

async function ask(
  path: string,
  options: Asked & { readonly how: RequestInit },
): Promise<{ readonly base: string; readonly status: number; readonly text: string }> {
  const { args, terminal } = options;
  const base = args.text("agent") ?? terminal.env["ISTHMUS_AGENT"] ?? "http://127.0.0.1:15080";
  const url = urlOf(base, path);
  let response: Response;
  try {
    response = await fetch(url, { ...options.how, signal: AbortSignal.timeout(timeoutMs) });
  } catch (cause) {
    const truth = `nothing answers there (${innermost(cause)}); --agent names another address`;
    throw new MeshError("MESH_UNREACHABLE", `Cannot ask the agent at ${base}: ${truth}`, { cause });
  }
  const text = await response.text().catch(() => "");
  return { base, status: response.status, text };
}

function bodyIn(text: string, reviver: Parameters<typeof JSON.parse>[1]): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch {
    return undefined;
  }
}

/** Much that an agent repeats was said by hubs, other members and proxies; its texts have their lines. */
function harmless(_key: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  return value
    .split("\n")
    .map((line) => visible(line, line.length))
    .join("\n");
}

function urlOf(base: string, path: string): URL {
  try {
    return new URL(path, base);
  } catch (cause) {
    throw new MeshError("MESH_USAGE", `Cannot use agent "${base}": it is not a URL`, { cause });
  }
}

function refusalOf(
  base: string,
  answer: { readonly status: number; readonly body: unknown },
): MeshError {
  const { code, message } = (answer.body ?? {}) as Partial<ErrorAnswer>;
  const known: ErrorCode | undefined = errorCodes.find((each) => each === code);
  if (known !== undefined && message !== undefined) return new MeshError(known, message);
  const truth = `it answered ${answer.status}; is this an agent?`;
  return new MeshError("MESH_UNREACHABLE", `Cannot ask the agent at ${base}: ${truth}`);
}

/** `fetch failed` says nothing; its cause says ECONNREFUSED. */
function innermost(thrown: unknown): string {
  let cause = thrown;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  return reasonOf(cause) || "no answer";
}
