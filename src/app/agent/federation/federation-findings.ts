import type { Finding } from "../../../mesh/service.ts";
import type { Relation } from "./relation.ts";

// New keys are published three to five hints before they sign anything. Source: SPIFFE Federation, section 5.
const hintsUntilStale = 3;

/** What is to be known of a foreign trust domain. */
export function federationFindings(relation: Relation, nowMs: number): readonly Finding[] {
  const { trustDomain: subject, failure, hintMs, skipped, bundle } = relation;
  const forMs = nowMs - (relation.fetchedAtMs ?? relation.beganAtMs);
  const found: Finding[] = [];
  if (failure !== undefined && forMs > hintsUntilStale * hintMs) {
    const message = `its bundle was not refreshed for ${Math.round(forMs / 60_000)} minutes: ${failure}`;
    found.push({ code: "FEDERATION_STALE", severity: "warning", subject, message });
  }
  if (bundle === undefined) {
    const message =
      "its bundle is empty: it has revoked all of its identities, and none is believed";
    found.push({ code: "FEDERATION_REVOKED", severity: "warning", subject, message });
  }
  if (skipped > 0) {
    const message = `${skipped} of its roots are not understood (P-256 and P-384 are); what they sign is refused`;
    found.push({ code: "FEDERATION_ROOTS_SKIPPED", severity: "warning", subject, message });
  }
  return found;
}
