/** What probing one gateway address has taught so far. */
export interface ProbeState {
  /** Alive until three failures in a row say otherwise. */
  readonly isAlive: boolean;
  readonly failures: number;
  /** When the next probe counts as failed. */
  readonly timeoutMs: number;
  /** Raised by probes that finished late; the round-trip time never lowers the timeout below it. */
  readonly floorMs: number;
  readonly floorUntilMs: number;
  /**
   * How long a probe took that was begun earlier says nothing of the path: it waited for a partition or a
   * hang to end.
   */
  readonly heldUpUntilMs: number;
}

export type ProbeOutcome =
  | { readonly t: "finished"; readonly tookMs: number; readonly rttMs: number | undefined }
  /** It took longer than its timeout, and finished all the same. */
  | { readonly t: "finished-late"; readonly tookMs: number; readonly rttMs: number | undefined }
  /** Refused, reset, a wrong certificate, or the timeout. `lagMs`: the worst of this very process meanwhile. */
  | { readonly t: "failed"; readonly isTimeout: boolean; readonly lagMs: number };

const minProbeTimeoutMs = 500;
/** A probe is open for so long at most; then its connection is given up. */
export const maxProbeMs = 5_000;
const failuresToFall = 3;
// As many in a row may be an outage, whose end lets all probes go on that it held up.
const failuresOfOutage = 2;
// A path that was slow once is believed to be slow for a while: congestion comes in waves.
const floorForMs = 300_000;

export const newProbeState: ProbeState = {
  isAlive: true,
  failures: 0,
  timeoutMs: 1_000, // before the first measurement: most of the world is nearer than 250 ms
  floorMs: minProbeTimeoutMs,
  floorUntilMs: Number.NEGATIVE_INFINITY,
  heldUpUntilMs: Number.NEGATIVE_INFINITY,
};

/** Times are monotonic. `minRttMs` is the present 5-minute minimum. */
export function afterProbe(
  state: ProbeState,
  outcome: ProbeOutcome,
  at: { readonly nowMs: number; readonly minRttMs: number | undefined },
): ProbeState {
  switch (outcome.t) {
    case "finished": {
      const heldUpUntilMs = Math.max(state.heldUpUntilMs, at.nowMs - outcome.tookMs);
      return timed({ ...state, heldUpUntilMs, isAlive: true, failures: 0 }, at);
    }
    case "finished-late": {
      const alive = { ...state, isAlive: true, failures: 0 };
      if (at.nowMs - outcome.tookMs < state.heldUpUntilMs) return timed(alive, at);
      // A path that has become slow shows it with the next probes, too.
      if (state.failures >= failuresOfOutage) {
        return timed({ ...alive, heldUpUntilMs: at.nowMs }, at);
      }
      const floorMs = Math.min(maxProbeMs, Math.max(state.floorMs, 1.5 * outcome.tookMs));
      const raised = { floorMs, floorUntilMs: at.nowMs + floorForMs };
      return timed({ ...alive, ...raised }, at);
    }
    case "failed": {
      if (isVoid(outcome, state.timeoutMs)) return state;
      const failures = Math.min(failuresToFall, state.failures + 1);
      return { ...state, failures, isAlive: state.isAlive && failures < failuresToFall };
    }
  }
}

/** A busy event loop fakes a timeout, never a refusal. */
function isVoid(
  outcome: { readonly isTimeout: boolean; readonly lagMs: number },
  timeoutMs: number,
): boolean {
  return outcome.isTimeout && outcome.lagMs > timeoutMs / 5;
}

function timed(
  state: ProbeState,
  at: { readonly nowMs: number; readonly minRttMs: number | undefined },
): ProbeState {
  const floorMs = at.nowMs < state.floorUntilMs ? state.floorMs : minProbeTimeoutMs;
  const wantedMs = Math.max(floorMs, 4 * (at.minRttMs ?? 0));
  return { ...state, floorMs, timeoutMs: Math.min(maxProbeMs, Math.ceil(wantedMs)) };
}
