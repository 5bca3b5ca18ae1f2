import type { ApiObjectReading } from "../sources/kubernetes/read-api-object.ts";
import { type PolicyAnswer, refusal, type SeenPolicy } from "./policy-answer.ts";

/** How far a policy has come in this agent. */
export type Programming =
  /** No source reads policies there. */
  | { readonly t: "unfollowed" }
  /** Its source has not told of it yet. */
  | { readonly t: "waiting" }
  | {
      readonly t: "taken";
      /** The one that counts now. */
      readonly generation: number;
      /** Proxies that were connected when it was built, and are. */
      readonly told: number;
      /** Those of them that have taken it. */
      readonly acknowledged: number;
      /** All of them have. */
      readonly isProgrammed: boolean;
    };

/** What to say of an ImportPolicy; undefined: nothing yet. */
export function importAnswer(
  seen: SeenPolicy,
  {
    reading,
    programming,
  }: { readonly reading: ApiObjectReading; readonly programming: Programming },
): PolicyAnswer | undefined {
  if (programming.t === "unfollowed") {
    const remedy = "name this cluster in its sources, without namespaces";
    return refusal("NotActedUpon", `No source of the agent reads import policies here: ${remedy}`);
  }
  if (reading.t !== "object") return invalid(reading, programming);
  if (programming.t === "waiting" || programming.generation < seen.generation) return undefined;
  const { told, acknowledged, isProgrammed } = programming;
  const accepted = { type: "Accepted", status: "True", reason: "Accepted" } as const;
  const message = "Members that it does not name are kept out of services of its namespaces";
  const known = seen.conditions.get("Programmed");
  const wasProgrammed = known?.status === "True" && known.observedGeneration === seen.generation;
  // An agent that takes over asks its own proxies; what was true of this generation stays so.
  const isTrue = isProgrammed || wasProgrammed;
  return {
    conditions: [
      { ...accepted, message },
      {
        type: "Programmed",
        status: isTrue ? "True" : "False",
        reason: isTrue ? "Programmed" : "Pending",
        message: isTrue
          ? `All ${told} proxies of the agent that leads have acknowledged it`
          : `${acknowledged} of ${told} proxies of the agent that leads have acknowledged it; isthmus proxy list shows the others`,
      },
    ],
    proxies: { told, acknowledged },
  };
}

function invalid(reading: ApiObjectReading, programming: Programming): PolicyAnswer {
  const findings = reading.t === "foreign" ? [] : reading.findings;
  const messages = findings.map(({ message }) => message);
  const text = messages.join(". ") || "Cannot use it: it is labelled as another cluster's";
  const kept =
    programming.t === "taken" ? `; generation ${programming.generation} of it stays in use` : "";
  return refusal("Invalid", `${text.slice(0, 4000)}${kept}`);
}
