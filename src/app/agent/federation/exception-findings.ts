import type { Charter } from "../../../mesh/charter.ts";
import type { Finding } from "../../../mesh/service.ts";

/** What the root's owner knowingly let pass: said for ever, as long as the charter says it. */
export function exceptionFindings({ exceptions = [] }: Charter): readonly Finding[] {
  return exceptions.map(({ sha256, reason, timeMs }) => ({
    code: "TRUST_ROOT_UNCONSTRAINED",
    severity: "warning",
    subject: sha256,
    message:
      "whoever holds this root's key can certify any name, inside the mesh and outside; let in on " +
      `${new Date(timeMs).toISOString().slice(0, 10)}: ${reason}`,
  }));
}
