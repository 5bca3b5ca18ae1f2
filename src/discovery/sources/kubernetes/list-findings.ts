import type { SourceFinding, SourceFindingCode } from "../source-finding.ts";
import { printable } from "../source-finding.ts";
import type { WatchedList } from "./kinds.ts";
import type { ReadProblem } from "./retry-pace.ts";

/** How one list stands, as far as an operator cares. */
export interface ListState {
  readonly list: WatchedList;
  readonly problem?: ReadProblem;
  /** Attempts in a row that brought nothing. */
  readonly failures: number;
  readonly unreadable: number;
}

// A server that restarts refuses for a moment; the second attempt in a row is worth a word.
const tellFrom = 2;
const kept = "the last content stays in use";

/** What is wrong between this agent and the API server. `subject` is the source's name. */
export function listFindings(subject: string, states: readonly ListState[]): SourceFinding[] {
  const unreachable = states.filter(
    ({ problem, failures }) => problem?.t === "unreachable" && failures >= tellFrom,
  );
  return [
    ...unreachableFindings(subject, unreachable),
    ...states.flatMap((state) => refusedFindings(subject, state)),
    ...states
      .filter(({ unreadable }) => unreadable > 0)
      .map((state) => unreadableFinding(subject, state)),
  ];
}

/** One for all lists: the server is one. */
function unreachableFindings(subject: string, states: readonly ListState[]): SourceFinding[] {
  const [first] = states;
  if (first?.problem?.t !== "unreachable") return [];
  const names = states.map(({ list }) => list.rules.plural);
  const message = `Cannot read ${[...new Set(names)].join(", ")}: ${first.problem.reason}; ${kept}`;
  return [finding("SOURCE_API_UNREACHABLE", { subject, message, severity: "error" })];
}

function refusedFindings(subject: string, { list, problem }: ListState): SourceFinding[] {
  if (problem?.t !== "refused") return [];
  const { resource, isOptional } = list.rules;
  const where = list.namespace === undefined ? "" : ` in namespace ${list.namespace}`;
  const what = `Cannot list and watch ${resource}${where}`;
  const { code, message: said } = problem;
  switch (code) {
    // An expired version only means that the list is read again.
    case 410:
      return [];
    case 401: {
      const message = `${what}: the API server does not accept this agent's credentials (${said}); ${kept}`;
      return [finding("SOURCE_API_UNAUTHENTICATED", { subject, message, severity: "error" })];
    }
    case 403: {
      const message = `${what}: ${said}; ${kept}; grant the verbs list and watch on ${resource}`;
      return [finding("SOURCE_API_FORBIDDEN", { subject, message, severity: "error" })];
    }
    case 404: {
      const message = `${what}: the API server does not know it; ${isOptional ? "install its CustomResourceDefinition to use it" : kept}`;
      const severity = isOptional ? "warning" : "error";
      return [finding("SOURCE_API_KIND_MISSING", { subject, message, severity })];
    }
    default: {
      const message = `${what}: the API server answers ${code} (${said}); ${kept}`;
      return [finding("SOURCE_API_REFUSED", { subject, message, severity: "warning" })];
    }
  }
}

function unreadableFinding(subject: string, { list, unreadable }: ListState): SourceFinding {
  const message =
    `${unreadable} answers about ${list.rules.resource} could not be read (too large, or no objects); ` +
    "what was known of these objects stays in use";
  return finding("SOURCE_API_ANSWER_UNREADABLE", { subject, message, severity: "warning" });
}

function finding(
  code: SourceFindingCode,
  { subject, message, severity }: Pick<SourceFinding, "subject" | "message" | "severity">,
): SourceFinding {
  return { code, severity, subject, message: printable(message) };
}
