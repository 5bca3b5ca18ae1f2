import { backoffCeilingMs } from "../../../mesh/backoff.ts";
import type { Random } from "../../../mesh/ports.ts";

/** How the last attempt ended that brought nothing. */
export type ReadProblem =
  /** No connection, no answer, or one that broke off. */
  | { readonly t: "unreachable"; readonly reason: string }
  | {
      readonly t: "refused";
      readonly code: number;
      readonly message: string;
      /** What the server asks for. */
      readonly retryAfterMs?: number;
    };

const firstMs = 100;
// A server that comes back is asked within seconds; a handful of connections cannot hurt it.
const maxMs = 3000;
// Rights and kinds that are missing are missing until somebody acts; each try is a line in an audit log.
const maxRefusedMs = 10_000;
// A server that asks for more than this is asked anyway: one request costs it nothing.
const maxAskedMs = 30_000;

/** Time to the next attempt after so many that failed in a row: exponential, capped, full jitter. */
export function retryInMs(
  problem: ReadProblem | undefined,
  { failures, random }: { readonly failures: number; readonly random: Random },
): number {
  const isRefused = problem?.t === "refused" && [401, 403, 404].includes(problem.code);
  const backoff = { firstMs, maxMs: isRefused ? maxRefusedMs : maxMs };
  const askedMs = problem?.t === "refused" ? (problem.retryAfterMs ?? 0) : 0;
  return Math.min(askedMs, maxAskedMs) + random() * backoffCeilingMs(backoff, failures);
}
