/** What DNS said of one address family of a name. */
export type FamilyAnswer =
  | { readonly t: "records"; readonly addresses: readonly string[]; readonly ttlSeconds: number }
  /** There is no such name, or it has no address of this family. */
  | { readonly t: "none" }
  /** Nobody answered, or the answer was no use: says nothing about the name. */
  | { readonly t: "failed"; readonly reason: string };

export interface HostAnswer {
  readonly v4: FamilyAnswer;
  readonly v6: FamilyAnswer;
}

/** What a name stands for, as far as it is known. */
export interface KnownHost {
  /** IP literals, sorted. */
  readonly v4: readonly string[];
  readonly v6: readonly string[];
  /** Addresses that the last answer had and that are not used, because there are too many. */
  readonly surplus: number;
  /** Of the last answer in which some family was resolved (monotonic); undefined: none yet. */
  readonly answeredAtMs: number | undefined;
  /** Since when no answer was whole, and what was wrong with the last one. */
  readonly failing: { readonly sinceMs: number; readonly reason: string } | undefined;
  /** Failures in a row. */
  readonly failures: number;
}

export const unknownHost: KnownHost = {
  v4: [],
  v6: [],
  surplus: 0,
  answeredAtMs: undefined,
  failing: undefined,
  failures: 0,
};

// A load balancer has an address per zone and family; each costs a handshake a second.
const maxAddressesPerFamily = 8;

/**
 * Takes an answer over. A failure, and an answer without any address, keep what is known: DNS is not a
 * health check. A family goes only when the other one was answered and this one explicitly has nothing.
 * Times are monotonic.
 */
export function afterAnswer(known: KnownHost, answer: HostAnswer, nowMs: number): KnownHost {
  const { v4, v6 } = answer;
  const hasRecords = v4.t === "records" || v6.t === "records";
  const reason = whyNotWhole(answer);
  const failing =
    reason === undefined ? undefined : { sinceMs: known.failing?.sinceMs ?? nowMs, reason };
  const failures = failing === undefined ? 0 : known.failures + 1;
  if (!hasRecords) return { ...known, failing, failures };
  const four = familyAfter(known.v4, v4);
  const six = familyAfter(known.v6, v6);
  return {
    v4: four.addresses,
    v6: six.addresses,
    surplus: four.surplus + six.surplus,
    answeredAtMs: nowMs,
    failing,
    failures,
  };
}

export function addressesOf(known: KnownHost): readonly string[] {
  return [...known.v4, ...known.v6];
}

function whyNotWhole({ v4, v6 }: HostAnswer): string | undefined {
  if (v4.t === "failed") return v4.reason;
  if (v6.t === "failed") return v6.reason;
  const isEmpty = v4.t === "none" && v6.t === "none";
  return isEmpty ? "the name has no address" : undefined;
}

function familyAfter(
  known: readonly string[],
  answer: FamilyAnswer,
): { readonly addresses: readonly string[]; readonly surplus: number } {
  switch (answer.t) {
    case "none":
      return { addresses: [], surplus: 0 };
    case "failed":
      return { addresses: known, surplus: 0 };
    case "records": {
      const present = [...new Set(answer.addresses)].sort();
      // Of a crowd those that are in use already: names that answer with a part of many would move
      // traffic with every answer.
      const old = present.filter((address) => known.includes(address));
      const fresh = present.filter((address) => !known.includes(address));
      const chosen = [...old, ...fresh].slice(0, maxAddressesPerFamily);
      return { addresses: chosen.sort(), surplus: present.length - chosen.length };
    }
  }
}

const minTtlSeconds = 1;
const maxTtlSeconds = 60;
// Early, never late: agents of many members that read one name at once must not ask at once again.
const refreshSpread = 0.1;
const maxRetrySeconds = 5;

/**
 * How long until the name is asked again: the shortest life in the answer, 1 to 60 s, up to a tenth
 * earlier; after a failure 1, 2, 4, 5 s. `random` is in [0, 1).
 */
export function askAgainInMs(after: {
  readonly answer: HostAnswer;
  readonly failures: number;
  readonly random: number;
}): number {
  const { answer, failures, random } = after;
  const ttls = [answer.v4, answer.v6].flatMap((family) =>
    family.t === "records" ? [clampedTtl(family.ttlSeconds)] : [],
  );
  const retrySeconds = Math.min(maxRetrySeconds, 2 ** Math.min(failures - 1, 10));
  if (failures > 0) ttls.push(retrySeconds);
  const seconds = Math.min(...ttls) * (1 - refreshSpread * random);
  return Math.max(minTtlSeconds, seconds) * 1_000;
}

/** Zero would be a busy loop, and an hour would outlive the gateway. */
function clampedTtl(seconds: number): number {
  // A TTL above 2^31 - 1 is to be taken for zero (RFC 2181, section 8); parsers make it negative.
  if (!Number.isFinite(seconds)) return minTtlSeconds;
  return Math.min(maxTtlSeconds, Math.max(minTtlSeconds, seconds));
}

// Longer than a failing resolver takes to be replaced; a name that never resolved is reported at once.
const notableFailureMs = 60_000;

/** What an operator should know of a name; undefined: nothing. */
export function complaintOf(known: KnownHost, nowMs: number): string | undefined {
  const { failing, answeredAtMs, surplus } = known;
  if (failing !== undefined && answeredAtMs === undefined) {
    return `it has never been resolved: ${failing.reason}`;
  }
  if (failing !== undefined && nowMs - failing.sinceMs >= notableFailureMs) {
    const seconds = Math.round((nowMs - failing.sinceMs) / 1_000);
    return `it has not been resolved for ${seconds} s, its last addresses stay: ${failing.reason}`;
  }
  if (surplus > 0) return `${surplus} of its addresses are not used: it has too many`;
  return undefined;
}
