import type { MemberName } from "../../mesh/ids.ts";

/** Whether a member's control plane was heard of within its lease. */
export type Lease = "live" | "lost";

/** How a remote member stands here: lease × gateway probe. Source: docs/decisions/silence-removes-nothing.md */
export type MemberState = "live" | "stale" | "unreachable" | "down";

/** One remote gateway address, as the prober found it. The prober counts failures, three to fall. */
export interface GatewayProbe {
  readonly member: MemberName;
  /** IP literal. */
  readonly address: string;
  readonly port: number;
  readonly isAlive: boolean;
}

/** What the state of a member means for its endpoints here. */
export interface MemberVerdict {
  readonly state: MemberState;
  /** False: UNHEALTHY here, unless it is the last one that a service has. */
  readonly isUsable: boolean;
  /** Its gateways answer: of several last resorts, those come first. */
  readonly isReachable: boolean;
  /** 0..1 of its weight while it returns. */
  readonly share: number;
  /** Down for so long that its endpoints are removed. */
  readonly isExpired: boolean;
}

/** Time constants of the rules in this file; tests and the demo shorten none of them. */
export interface StateTiming {
  /** Success needed before a member that fell takes traffic again; doubles with each flap. */
  readonly holdDownMs: number;
  readonly maxHoldDownMs: number;
  /** Between 25, 50 and 100 % of its weight. */
  readonly rampStepMs: number;
  /** So long without a fall makes the next one a first one again. */
  readonly forgiveAfterMs: number;
  /** Evidence from proxies vetoes `unreachable` for so long. */
  readonly evidenceMs: number;
  readonly expireAfterMs: number;
}

/** For probes that come once a second. */
export const stateTiming: StateTiming = {
  // One probe a second: five in a row are more than luck.
  holdDownMs: 5000,
  maxHoldDownMs: 300_000,
  rampStepMs: 5000,
  forgiveAfterMs: 600_000,
  evidenceMs: 3000,
  expireAfterMs: 86_400_000,
};

export type Probe = "ok" | "failing";

export function stateOf(lease: Lease, probe: Probe): MemberState {
  if (probe === "ok") return lease === "live" ? "live" : "stale";
  return lease === "live" ? "unreachable" : "down";
}

/** What is known of the remote members' reachability, one entry per member ever mentioned. */
export interface MemberStates {
  /** Each input returns whether the member's verdict changed by it. */
  readonly setLease: (input: { member: MemberName; lease: Lease; nowMs: number }) => boolean;
  readonly setProbe: (input: GatewayProbe & { nowMs: number }) => boolean;
  /** Addresses that are no longer probed count no more. */
  readonly keepProbes: (input: {
    member: MemberName;
    addresses: ReadonlySet<string>;
    nowMs: number;
  }) => boolean;
  /** A response or bytes came from that member through some proxy of ours, at `atMs` or later. */
  readonly setEvidence: (input: { member: MemberName; atMs: number; nowMs: number }) => boolean;
  /** Once a second: ramps, hold-downs and expiry advance. Returns the members whose verdict changed. */
  readonly tick: (input: { nowMs: number; isAnyHubReadable: boolean }) => readonly MemberName[];
  readonly verdictOf: (member: MemberName) => MemberVerdict;
  readonly forget: (member: MemberName) => void;
}

type Phase =
  | { readonly t: "up"; readonly sinceMs: number }
  | { readonly t: "fallen" }
  /** It answers again; not yet trusted. */
  | { readonly t: "held"; readonly sinceMs: number }
  | { readonly t: "ramping"; readonly sinceMs: number };

interface Standing {
  lease: Lease;
  /** By `address port`. */
  readonly probes: Map<string, boolean>;
  evidenceAtMs: number;
  phase: Phase;
  /** Its gateways have answered since this process began. */
  hasAnswered: boolean;
  flaps: number;
  /** Spent `down` while some hub could be read. */
  downMs: number;
  verdict: MemberVerdict;
}

/** Times are monotonic. */
export function createMemberStates(timing: StateTiming = stateTiming): MemberStates {
  const standings = new Map<MemberName, Standing>();
  let tickedAtMs: number | undefined;

  const standingOf = (member: MemberName): Standing => {
    const known = standings.get(member);
    if (known !== undefined) return known;
    const fresh = newStanding();
    standings.set(member, fresh);
    return fresh;
  };
  const judge = (standing: Standing, nowMs: number): boolean => {
    const before = standing.verdict;
    standing.verdict = advance(standing, { nowMs, timing });
    return !isSameVerdict(before, standing.verdict);
  };

  return {
    setLease: ({ member, lease, nowMs }) => {
      const standing = standingOf(member);
      standing.lease = lease;
      return judge(standing, nowMs);
    },
    setProbe: ({ member, address, port, isAlive, nowMs }) => {
      const standing = standingOf(member);
      standing.probes.set(probeKey({ address, port }), isAlive);
      const isChanged = judge(standing, nowMs);
      if (isAlive) standing.hasAnswered = true;
      return isChanged;
    },
    keepProbes: ({ member, addresses, nowMs }) => {
      const standing = standingOf(member);
      for (const key of standing.probes.keys()) {
        if (!addresses.has(key)) standing.probes.delete(key);
      }
      return judge(standing, nowMs);
    },
    setEvidence: ({ member, atMs, nowMs }) => {
      const standing = standingOf(member);
      standing.evidenceAtMs = Math.max(standing.evidenceAtMs, atMs);
      return judge(standing, nowMs);
    },
    tick: ({ nowMs, isAnyHubReadable }) => {
      // Without a hub nobody could tell us that it is back: that time does not count.
      const passedMs = isAnyHubReadable ? nowMs - (tickedAtMs ?? nowMs) : 0;
      tickedAtMs = nowMs;
      const changed: MemberName[] = [];
      for (const [member, standing] of standings) {
        if (standing.verdict.state === "down") standing.downMs += passedMs;
        if (judge(standing, nowMs)) changed.push(member);
      }
      return changed;
    },
    verdictOf: (member) => standings.get(member)?.verdict ?? unknownVerdict,
    forget: (member) => void standings.delete(member),
  };
}

/** Names one gateway address in `keepProbes`. */
export function probeKey(gateway: { readonly address: string; readonly port: number }): string {
  return `${gateway.address} ${gateway.port}`;
}

/** Until something is known of a member, its records are taken at their word. */
const unknownVerdict: MemberVerdict = {
  state: "stale",
  isUsable: true,
  isReachable: true,
  share: 1,
  isExpired: false,
};

function newStanding(): Standing {
  return {
    lease: "lost",
    probes: new Map(),
    evidenceAtMs: Number.NEGATIVE_INFINITY,
    phase: { t: "up", sinceMs: Number.NEGATIVE_INFINITY },
    hasAnswered: false,
    flaps: 0,
    downMs: 0,
    verdict: unknownVerdict,
  };
}

function advance(
  standing: Standing,
  at: { readonly nowMs: number; readonly timing: StateTiming },
): MemberVerdict {
  const state = stateOf(standing.lease, probeOf(standing, at));
  const isReachable = state === "live" || state === "stale";
  if (state !== "down") standing.downMs = 0;
  if (isReachable) standing.phase = risen(standing, at);
  else fall(standing, at);
  return {
    state,
    isReachable,
    isUsable: standing.phase.t === "up" || standing.phase.t === "ramping",
    share: shareOf(standing.phase, at),
    isExpired: standing.downMs >= at.timing.expireAfterMs,
  };
}

/** Evidence from proxies counts more than probes; a member without probes is not held for dead. */
function probeOf(
  standing: Standing,
  at: { readonly nowMs: number; readonly timing: StateTiming },
): Probe {
  if (at.nowMs - standing.evidenceAtMs < at.timing.evidenceMs) return "ok";
  const results = [...standing.probes.values()];
  return results.length === 0 || results.includes(true) ? "ok" : "failing";
}

function fall(
  standing: Standing,
  at: { readonly nowMs: number; readonly timing: StateTiming },
): void {
  const { phase } = standing;
  // A gateway that has not answered yet starts: that is no flap.
  if (standing.hasAnswered && (phase.t === "up" || phase.t === "ramping")) {
    const wasGood = phase.t === "up" && at.nowMs - phase.sinceMs >= at.timing.forgiveAfterMs;
    standing.flaps = wasGood ? 1 : standing.flaps + 1;
  }
  standing.phase = { t: "fallen" };
}

function risen(
  standing: Standing,
  at: { readonly nowMs: number; readonly timing: StateTiming },
): Phase {
  const { phase } = standing;
  const { nowMs, timing } = at;
  switch (phase.t) {
    case "up":
      return phase;
    case "fallen":
      // Whoever starts, or is seen for the first time, returns from nowhere: there is no flap to damp.
      return standing.hasAnswered ? { t: "held", sinceMs: nowMs } : { t: "up", sinceMs: nowMs };
    case "held": {
      const holdMs = Math.min(timing.maxHoldDownMs, timing.holdDownMs * 2 ** (standing.flaps - 1));
      return nowMs - phase.sinceMs >= holdMs ? { t: "ramping", sinceMs: nowMs } : phase;
    }
    case "ramping":
      return nowMs - phase.sinceMs >= 2 * timing.rampStepMs ? { t: "up", sinceMs: nowMs } : phase;
  }
}

function shareOf(
  phase: Phase,
  at: { readonly nowMs: number; readonly timing: StateTiming },
): number {
  if (phase.t !== "ramping") return 1;
  return at.nowMs - phase.sinceMs < at.timing.rampStepMs ? 0.25 : 0.5;
}

function isSameVerdict(left: MemberVerdict, right: MemberVerdict): boolean {
  return (
    left.state === right.state &&
    left.isUsable === right.isUsable &&
    left.isReachable === right.isReachable &&
    left.share === right.share &&
    left.isExpired === right.isExpired
  );
}
