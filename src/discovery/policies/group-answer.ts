import type { ApiObjectReading } from "../sources/kubernetes/read-api-object.ts";
import { notActedUpon, type PolicyAnswer, type SeenPolicy } from "./policy-answer.ts";

/** What becomes of a WorkloadGroup in this agent. */
export type GroupStanding =
  /** Nothing registers here, or no source reads groups there. */
  | { readonly t: "unfollowed" }
  /** Its source has not told of it yet. */
  | { readonly t: "waiting" }
  | {
      readonly t: "taken";
      /** The one that counts now. */
      readonly generation: number;
      /** How many select its labels. */
      readonly services: number;
    };

/** What to say of a WorkloadGroup; undefined: nothing yet. */
export function groupAnswer(
  seen: Pick<SeenPolicy, "generation">,
  { reading, standing }: { readonly reading: ApiObjectReading; readonly standing: GroupStanding },
): PolicyAnswer | undefined {
  if (standing.t === "unfollowed")
    return notActedUpon("WorkloadGroup without `registration` in the agent's sources");
  if (reading.t !== "object") {
    const findings = reading.t === "foreign" ? [] : reading.findings;
    const text = findings.map(({ message }) => message).join(". ") || "Cannot use it";
    return accepted("False", { reason: "Invalid", message: text.slice(0, 4000) });
  }
  if (standing.t === "waiting" || standing.generation < seen.generation) return undefined;
  return standing.services === 0
    ? accepted("True", {
        reason: "NoService",
        message:
          "Workloads may register, and no Service of the namespace selects its labels: nobody calls them",
      })
    : accepted("True", {
        reason: "Accepted",
        message: "Workloads may register and stand behind the Services that select its labels",
      });
}

function accepted(
  status: "True" | "False",
  said: { readonly reason: string; readonly message: string },
): PolicyAnswer {
  return { conditions: [{ type: "Accepted", status, ...said }] };
}
