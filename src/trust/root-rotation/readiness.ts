import type { Charter } from "../../mesh/charter.ts";
import type { MemberName } from "../../mesh/ids.ts";

/** What a member says of itself, in its own signed record. */
export interface MemberWord {
  /** Whether its lease is live: what it said before may not be so any more. */
  readonly isLive: boolean;
  /** Number of the charter that it has; undefined: an older version does not say. */
  readonly charter: number | undefined;
  /** SHA-256 over the roots that its proxies are told. */
  readonly bundleDigest: string | undefined;
  /** The root (SPKI digest) under which it issues. */
  readonly issuerRoot: string | undefined;
  readonly proxies: ProxyWord | undefined;
}

/** Counts of a member's proxies, at all agents of that member. */
export interface ProxyWord {
  readonly connected: number;
  /** They answered that they use these roots. */
  readonly acknowledged: number;
  /** Workloads with a proven sidecar that is not connected. */
  readonly silent: number;
  /** They connect with a certificate under another root than the member issues with now. */
  readonly old: number;
  /** A few of those that are not done, by node. */
  readonly late: readonly string[];
}

export interface MissingMember {
  readonly member: MemberName;
  readonly isWaived: boolean;
  /** What is not done there, in the order in which it has to happen. */
  readonly reasons: readonly string[];
}

/** What the data plane of every member has to have confirmed before the step is over. */
export interface Readiness {
  /** Waived ones too. */
  readonly missing: readonly MissingMember[];
  /** Nobody is missing who was not waived. */
  readonly isReady: boolean;
}

/**
 * Who has not confirmed what this step is about. While both roots are published: that proxies have both; from
 * activation on: that the member issues under the root that stays and nothing under the other is in use.
 */
export function judgeReadiness(options: {
  readonly charter: Charter;
  /** Of the bundle of that charter. */
  readonly bundleDigest: string;
  readonly wordOf: (member: MemberName) => MemberWord | undefined;
}): Readiness {
  const { charter, wordOf } = options;
  const waived = new Set(charter.rotation?.waived ?? []);
  const missing = charter.members
    // Who is denied is cut off anyhow.
    .filter(({ state }) => state !== "denied")
    .map(({ name }) => ({
      member: name,
      isWaived: waived.has(name),
      reasons: reasonsOf(wordOf(name), options),
    }))
    .filter(({ reasons }) => reasons.length > 0);
  return { missing, isReady: missing.every(({ isWaived }) => isWaived) };
}

function reasonsOf(
  word: MemberWord | undefined,
  { charter, bundleDigest }: { readonly charter: Charter; readonly bundleDigest: string },
): readonly string[] {
  if (word === undefined) return ["nothing was ever heard of it"];
  if (!word.isLive) return ["it is silent"];
  const { proxies } = word;
  if (word.charter === undefined || proxies === undefined) {
    return ["it has said nothing of the roots yet, or its agent is of a version that never does"];
  }
  const reasons: string[] = [];
  if (word.charter < charter.number) {
    reasons.push(`it has charter ${word.charter}, not ${charter.number}`);
  }
  if (word.bundleDigest !== bundleDigest) reasons.push("it publishes other roots");
  reasons.push(...ofProxies(proxies));
  const isActive = charter.rotationStep === "activating" || charter.rotationStep === "draining";
  if (isActive || charter.rotationStep === "retiring") {
    if (word.issuerRoot !== charter.rotation?.to) reasons.push("it issues under the old root");
    if (proxies.old > 0) reasons.push(`${counted(proxies.old)} ${named(proxies)}on the old root`);
  }
  return reasons;
}

function ofProxies(proxies: ProxyWord): readonly string[] {
  const { connected, acknowledged, silent } = proxies;
  const unsure = connected - acknowledged;
  return [
    ...(unsure > 0
      ? [`${unsure} of ${counted(connected)} ${named(proxies)}without the roots`]
      : []),
    ...(silent > 0 ? [`${counted(silent)} not connected`] : []),
  ];
}

function counted(count: number): string {
  return count === 1 ? "1 proxy" : `${count} proxies`;
}

function named({ late }: ProxyWord): string {
  return late.length === 0 ? "" : `(${late.join(", ")}) `;
}
