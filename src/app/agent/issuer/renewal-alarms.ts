import type { Clock, IdentitySource, Peer } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import { isEnding, isOverdue, type Validity } from "../../../trust/renewal-times.ts";

/** Tells of certificates that should have been renewed and were not. */
export interface RenewalAlarms {
  /** A launcher came on a new connection, with the certificate that it has now. */
  readonly note: (peer: Peer) => void;
  /** How many are late: of proxies that came lately, and of the agent itself. */
  readonly overdue: () => { readonly proxies: number; readonly agent: number };
  readonly findings: () => readonly Finding[];
}

interface Seen extends Validity {
  readonly id: string;
  /** Monotonic. */
  readonly atMs: number;
}

// Launchers come every few minutes; one that comes with another certificate, or not at all, is forgotten then.
const forgetAfterMs = 20 * 60_000;
// As many connections as an agent takes.
const maxSeen = 20_000;
const maxNamed = 3;

export function createRenewalAlarms(options: {
  readonly clock: Clock;
  readonly identities: readonly IdentitySource[];
}): RenewalAlarms {
  const { clock, identities } = options;
  /** By digest of the leaf, the one that came last at the end. */
  const seen = new Map<string, Seen>();
  const late = (): readonly Seen[] => {
    const sinceMs = clock.monotonicMs() - forgetAfterMs;
    for (const [leaf, { atMs }] of seen) {
      if (atMs >= sinceMs) break;
      seen.delete(leaf);
    }
    return [...seen.values()].filter((one) => isOverdue(one, clock.nowMs()));
  };
  const lateOwn = (): readonly Seen[] =>
    identities
      .map((source) => ({ ...source.current(), atMs: 0 }))
      .filter((one) => isOverdue(one, clock.nowMs()));
  return {
    note: ({ id, leafSha256, notBeforeMs, notAfterMs }) => {
      seen.delete(leafSha256);
      const [oldest] = seen.keys();
      if (seen.size >= maxSeen && oldest !== undefined) seen.delete(oldest);
      seen.set(leafSha256, { id, notBeforeMs, notAfterMs, atMs: clock.monotonicMs() });
    },
    overdue: () => ({ proxies: late().length, agent: lateOwn().length }),
    findings: () => {
      const nowMs = clock.nowMs();
      const own = lateOwn().map((one) => ownFinding(one, nowMs));
      const proxies = late();
      return proxies.length === 0 ? own : [...own, proxiesFinding(proxies, nowMs)];
    },
  };
}

function ownFinding(one: Seen, nowMs: number): Finding {
  const message = `the agent's own identity was not renewed; it ends ${until(one)}: see the agent's log`;
  return {
    code: "TRUST_SVID_OVERDUE",
    severity: severityOf([one], nowMs),
    subject: one.id,
    message,
  };
}

/** One for all: a fleet that cannot renew is one trouble. */
function proxiesFinding(late: readonly Seen[], nowMs: number): Finding {
  const ids = [...new Set(late.map(({ id }) => id))];
  const more = ids.length > maxNamed ? ` and ${ids.length - maxNamed} more` : "";
  const [first] = [...late].sort((a, b) => a.notAfterMs - b.notAfterMs);
  const end = first === undefined ? "" : `; the first ends ${until(first)}`;
  return {
    code: "TRUST_PROXIES_OVERDUE",
    severity: severityOf(late, nowMs),
    subject: `${late.length} proxies`,
    message: `they have not renewed their certificates${end}: ${ids.slice(0, maxNamed).join(", ")}${more}; see their launchers' logs`,
  };
}

function severityOf(late: readonly Seen[], nowMs: number): Finding["severity"] {
  return late.some((one) => isEnding(one, nowMs)) ? "error" : "warning";
}

function until({ notAfterMs }: Validity): string {
  return new Date(notAfterMs).toISOString();
}
