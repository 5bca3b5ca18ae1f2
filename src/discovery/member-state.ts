import type { MemberName } from "../mesh/ids.ts";

/** Whether a member's control plane was heard of within its lease. */
export type Lease = "live" | "lost";

/** How a remote member stands here: lease × gateway probe. Source: design section 3. */
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
