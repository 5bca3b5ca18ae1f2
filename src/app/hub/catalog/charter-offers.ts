import type { CatalogStore } from "../../../discovery/shards/store.ts";
import type { Charter, SignedCharter } from "../../../mesh/charter.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import { judgeCharter, type TrustedCharter } from "../../../trust/charter.ts";
import type { HubFinding } from "../hub-finding.ts";
import { catalogFinding } from "./catalog-finding.ts";

/** The charters that a hub offers, or why it cannot be read. */
export interface CharterOffer {
  readonly hub: string;
  readonly charters: readonly SignedCharter[];
  readonly failure: string | undefined;
}

export async function chartersIn(store: CatalogStore, signal: AbortSignal): Promise<CharterOffer> {
  const hub = store.name;
  try {
    return { hub, charters: await store.readCharters({ above: 0 }, signal), failure: undefined };
  } catch (thrown) {
    return { hub, charters: [], failure: reasonOf(thrown) };
  }
}

/** The newest charter that verifies, of what is trusted already and of all that is offered. */
export function newestCharter(
  trusted: TrustedCharter,
  offers: readonly CharterOffer[],
): TrustedCharter {
  const offered = offers.flatMap(({ charters }) => charters);
  let newest = trusted;
  // Twice, since the first round may bring the bundle that the rest needs.
  for (const signed of [...offered, ...offered]) {
    const verdict = judgeCharter(signed, newest);
    if (verdict.t === "newer") newest = verdict.charter;
  }
  return newest;
}

/** What is wrong with a hub's charters, and the numbers of those that verify. */
export function judgeOffer(
  { hub, charters, failure }: CharterOffer,
  trusted: TrustedCharter,
): { readonly findings: readonly HubFinding[]; readonly numbers: readonly number[] } {
  const findings: HubFinding[] = [];
  const numbers = new Set<number>();
  const note = (code: string, message: string): void => {
    findings.push(catalogFinding(code, "error", { subject: hub, message }));
  };
  if (failure !== undefined) note("HUB_UNREACHABLE", failure);
  for (const signed of charters) {
    const verdict = judgeCharter(signed, trusted);
    switch (verdict.t) {
      case "refused":
        note("TRUST_CHARTER_REFUSED", `a charter there: ${verdict.reason}`);
        break;
      case "conflict":
        note("TRUST_CHARTER_CONFLICT", `two charters have number ${verdict.number}`);
        break;
      case "known":
      case "newer":
        numbers.add(numberOf(signed.bytes));
    }
  }
  return { findings, numbers: [...numbers].sort((left, right) => left - right) };
}

/** Of a charter that verified. */
function numberOf(bytes: Uint8Array): number {
  const { number } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Charter;
  return number;
}
