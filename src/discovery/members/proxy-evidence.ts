import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import type { MemberVerdict } from "./member-state.ts";

/** What one proxy of this member found out about one service of another member since its last report. */
export interface Passing {
  readonly service: ServiceId;
  readonly member: MemberName;
  /** Names whoever is proven to say so: one identity on one host is one voter. */
  readonly voter: string;
  /** A response or payload came. */
  readonly hasHeard: boolean;
  /** A connection came to be, handshake included. */
  readonly hasConnected: boolean;
  /** A connection did not. */
  readonly hasFailed: boolean;
}

/** What reports say of one service in one member, besides what the member's own state says. */
export interface Passage {
  /** False: UNHEALTHY here, unless it is the last one that the service has. */
  readonly isUsable: boolean;
  /** 0..1 of its weight while it is tried again. */
  readonly share: number;
}

export interface PassageKey {
  readonly service: ServiceId;
  readonly member: MemberName;
}

interface EvidenceTiming {
  /** How long it counts that a proxy got through. */
  readonly windowMs: number;
  /** How long it counts that one did not, when none has since. */
  readonly failingMs: number;
  /** So many proxies must fail, and none succeed. */
  readonly leastVoters: number;
  /** Until it is tried again; doubles each time up to the maximum. */
  readonly holdMs: number;
  readonly maxHoldMs: number;
  /** Of its weight while it is tried: enough to learn something, little enough to lose nothing. */
  readonly trialShare: number;
  /** Between 25, 50 and 100 % of its weight. */
  readonly rampStepMs: number;
  /** So long without a fall makes the next one a first one again. */
  readonly forgiveAfterMs: number;
}

const evidenceTiming: EvidenceTiming = {
  windowMs: 3000,
  // A proxy that has ejected a host tries it again after 5 s, then 10 s: it has nothing to report meanwhile.
  failingMs: 15_000,
  // One proxy may be cut off by itself.
  leastVoters: 2,
  holdMs: 5000,
  maxHoldMs: 300_000,
  trialShare: 0.1,
  rampStepMs: 5000,
  forgiveAfterMs: 600_000,
};

/**
 * What this member's own proxies find out about others, which counts more than what the agent sees by
 * itself: who gets bytes from a member vouches for it; a service of a member that several proxies cannot
 * connect to, and none can, is not used and tried again half-open. Source:
 * docs/decisions/proxies-know-better.md
 */
export interface ProxyEvidence {
  /** Returns whether the passage changed. */
  readonly note: (passing: Passing, nowMs: number) => boolean;
  /** Whether proxies vouch for the member: some hear from it, and not most of them fail. */
  readonly isHeard: (member: MemberName, nowMs: number) => boolean;
  /** Once a second: what is tried again, ramps and forgets. Returns whose passage changed. */
  readonly tick: (nowMs: number) => readonly PassageKey[];
  readonly passageOf: (key: PassageKey) => Passage;
  /** All that are not used now. */
  readonly blocked: () => readonly PassageKey[];
  readonly forget: (member: MemberName) => void;
}

type Phase =
  | { readonly t: "open"; readonly sinceMs: number }
  | { readonly t: "blocked"; readonly sinceMs: number; readonly untilMs: number }
  | { readonly t: "trial"; readonly sinceMs: number }
  | { readonly t: "ramping"; readonly sinceMs: number };

interface Standing extends PassageKey {
  goodAtMs: number;
  /** By voter: when it last failed. */
  readonly failing: Map<string, number>;
  phase: Phase;
  blocks: number;
  passage: Passage;
}

interface Hearing {
  readonly heard: Map<string, number>;
  readonly failing: Map<string, number>;
}

const openPassage: Passage = { isUsable: true, share: 1 };
// More votes than these change no verdict; a proxy that borrows names gains no memory by it.
const maxVoters = 64;
const never = Number.NEGATIVE_INFINITY;

/** Times are monotonic. */
export function createProxyEvidence(timing: EvidenceTiming = evidenceTiming): ProxyEvidence {
  const standings = new Map<string, Standing>();
  const hearings = new Map<MemberName, Hearing>();

  const standingOf = ({ service, member }: PassageKey, nowMs: number): Standing => {
    const key = keyOf({ service, member });
    const known = standings.get(key);
    if (known !== undefined) return known;
    const fresh: Standing = {
      service,
      member,
      goodAtMs: never,
      failing: new Map(),
      phase: { t: "open", sinceMs: nowMs },
      blocks: 0,
      passage: openPassage,
    };
    standings.set(key, fresh);
    return fresh;
  };
  const judge = (standing: Standing, nowMs: number): boolean => {
    const before = standing.passage;
    standing.phase = nextPhase(standing, { nowMs, timing });
    standing.passage = passageIn(standing.phase, { nowMs, timing });
    return before.isUsable !== standing.passage.isUsable || before.share !== standing.passage.share;
  };

  return {
    note: (passing, nowMs) => {
      const { voter, member } = passing;
      const hearing = hearings.get(member) ?? { heard: new Map(), failing: new Map() };
      hearings.set(member, hearing);
      const isGood = passing.hasHeard || passing.hasConnected;
      if (passing.hasHeard) vote(hearing.heard, voter, nowMs);
      if (passing.hasFailed && !isGood) vote(hearing.failing, voter, nowMs);
      const standing = standingOf(passing, nowMs);
      if (isGood) standing.goodAtMs = nowMs;
      else if (passing.hasFailed) vote(standing.failing, voter, nowMs);
      return judge(standing, nowMs);
    },
    isHeard: (member, nowMs) => {
      const hearing = hearings.get(member);
      if (hearing === undefined) return false;
      const heard = since(hearing.heard, nowMs - timing.windowMs);
      const failing = since(hearing.failing, nowMs - timing.windowMs).filter(
        (voter) => !heard.includes(voter),
      );
      return heard.length > 0 && heard.length >= failing.length;
    },
    tick: (nowMs) => {
      const changed: PassageKey[] = [];
      for (const [key, standing] of standings) {
        if (judge(standing, nowMs)) changed.push(standing);
        if (isForgettable(standing, { nowMs, timing })) standings.delete(key);
      }
      for (const [member, { heard, failing }] of hearings) {
        if (since(heard, nowMs - timing.windowMs).length > 0) continue;
        if (since(failing, nowMs - timing.windowMs).length === 0) hearings.delete(member);
      }
      return changed;
    },
    passageOf: (key) => standings.get(keyOf(key))?.passage ?? openPassage,
    blocked: () => [...standings.values()].filter(({ passage }) => !passage.isUsable),
    forget: (member) => {
      hearings.delete(member);
      for (const [key, standing] of standings) {
        if (standing.member === member) standings.delete(key);
      }
    },
  };
}

/** A member's verdict as it counts for one of its services. */
export function throughPassage(
  verdict: MemberVerdict,
  passage: Passage | undefined,
): MemberVerdict {
  if (passage === undefined || (passage.isUsable && passage.share === 1)) return verdict;
  return {
    ...verdict,
    isUsable: verdict.isUsable && passage.isUsable,
    // Its gateways may answer; the service behind them does not.
    isReachable: verdict.isReachable && passage.isUsable,
    share: Math.min(verdict.share, passage.share),
  };
}

interface At {
  readonly nowMs: number;
  readonly timing: EvidenceTiming;
}

function nextPhase(standing: Standing, at: At): Phase {
  const { phase, goodAtMs } = standing;
  const { nowMs, timing } = at;
  switch (phase.t) {
    case "open":
    case "ramping": {
      if (isTotalFailure(standing, at)) return block(standing, at);
      if (phase.t === "open" || nowMs - phase.sinceMs < 2 * timing.rampStepMs) return phase;
      return { t: "open", sinceMs: nowMs };
    }
    case "blocked":
      // Somebody got through: as the last resort of the service it was tried all the same.
      if (goodAtMs > phase.sinceMs) return { t: "ramping", sinceMs: nowMs };
      return nowMs >= phase.untilMs ? { t: "trial", sinceMs: nowMs } : phase;
    case "trial": {
      if (goodAtMs > phase.sinceMs) return { t: "ramping", sinceMs: nowMs };
      const hasFailed = [...standing.failing.values()].some((atMs) => atMs > phase.sinceMs);
      return hasFailed ? block(standing, at) : phase;
    }
  }
}

function isTotalFailure(standing: Standing, at: At): boolean {
  if (at.nowMs - standing.goodAtMs < at.timing.windowMs) return false;
  return votesThatStand(standing, at).length >= at.timing.leastVoters;
}

/** Each until somebody gets through, or it is too old. */
function votesThatStand({ failing, goodAtMs }: Standing, { nowMs, timing }: At): readonly string[] {
  return since(failing, Math.max(goodAtMs, nowMs - timing.failingMs));
}

function block(standing: Standing, { nowMs, timing }: At): Phase {
  const { phase } = standing;
  const wasGood = phase.t === "open" && nowMs - phase.sinceMs >= timing.forgiveAfterMs;
  standing.blocks = wasGood ? 1 : standing.blocks + 1;
  standing.failing.clear();
  return { t: "blocked", sinceMs: nowMs, untilMs: nowMs + holdOf(standing, timing) };
}

function holdOf({ blocks }: Standing, timing: EvidenceTiming): number {
  return Math.min(timing.maxHoldMs, timing.holdMs * 2 ** (blocks - 1));
}

function passageIn(phase: Phase, { nowMs, timing }: At): Passage {
  switch (phase.t) {
    case "open":
      return openPassage;
    case "blocked":
      return { isUsable: false, share: 1 };
    case "trial":
      return { isUsable: true, share: timing.trialShare };
    case "ramping":
      return { isUsable: true, share: nowMs - phase.sinceMs < timing.rampStepMs ? 0.25 : 0.5 };
  }
}

/** Nothing is known that would count later: no recent report, and no block to be counted on. */
function isForgettable(standing: Standing, at: At): boolean {
  const { phase, goodAtMs } = standing;
  if (phase.t !== "open") return false;
  const isQuiet =
    at.nowMs - goodAtMs >= at.timing.windowMs && votesThatStand(standing, at).length === 0;
  const isForgiven = standing.blocks === 0 || at.nowMs - phase.sinceMs >= at.timing.forgiveAfterMs;
  return isQuiet && isForgiven;
}

/** Votes after that; the others go. */
function since(votes: Map<string, number>, sinceMs: number): readonly string[] {
  for (const [voter, atMs] of votes) {
    if (atMs <= sinceMs) votes.delete(voter);
  }
  return [...votes.keys()];
}

function vote(votes: Map<string, number>, voter: string, nowMs: number): void {
  if (votes.has(voter) || votes.size < maxVoters) votes.set(voter, nowMs);
}

function keyOf({ service, member }: PassageKey): string {
  return `${service} ${member}`;
}
