import type { Finding } from "../../../mesh/service.ts";
import { isEnding, isOverdue, renewAtMs, type Validity } from "../../../trust/renewal-times.ts";

const dayMs = 86_400_000;

/**
 * What is said of an issuer's age: from half its life on where people have to bring the next one, later where it is
 * asked for and did not come.
 */
export function issuerFindings(
  issuer: Validity,
  state: {
    readonly subject: string;
    readonly nowMs: number;
    /** Whether the agent asks for the next one by itself. */
    readonly isRenewed: boolean;
    /** Why the last attempt failed. */
    readonly failure?: string;
  },
): readonly Finding[] {
  const { subject, nowMs, isRenewed, failure } = state;
  const isDue = isRenewed ? isOverdue(issuer, nowMs) : nowMs >= renewAtMs(issuer, 0.5);
  if (!isDue) return [];
  const days = Math.floor((issuer.notAfterMs - nowMs) / dayMs);
  const todo = isRenewed
    ? `it should have been renewed long since${failure === undefined ? "" : `: ${failure}`}`
    : "run isthmus trust issue member --renew where the root is, and copy member.pem and member.key here; or set trust.renewAt";
  return [
    {
      code: "TRUST_ISSUER_AGES",
      severity: isEnding(issuer, nowMs) ? "error" : "warning",
      subject,
      message: `this member's issuer ends in ${days} days; ${todo}`,
    },
  ];
}
