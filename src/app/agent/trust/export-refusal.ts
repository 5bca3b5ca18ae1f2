import type { MemberName, Namespace } from "../../../mesh/ids.ts";
import type { AgentTrust } from "./agent-trust.ts";

/** Why the charter does not let the member export from a namespace. */
export function exportRefusal(
  trust: AgentTrust,
  { self, namespace }: { readonly self: MemberName; readonly namespace: Namespace },
): string | undefined {
  const verdict = trust.checkClaim(self, { t: "export", namespace });
  return verdict.t === "ok" ? undefined : verdict.reason;
}
