/** How many messages are answered; what comes beyond is not looked at. */
export interface AnswerPace {
  readonly isDue: (nowMs: number) => boolean;
}

/** Monotonic ms. `burst` at once after a quiet time, then `perSecond`. */
export function createAnswerPace(limits: {
  readonly burst: number;
  readonly perSecond: number;
}): AnswerPace {
  let tokens = limits.burst;
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    isDue: (nowMs) => {
      const earned = ((nowMs - lastMs) / 1000) * limits.perSecond;
      tokens = Math.min(limits.burst, tokens + Math.max(0, earned));
      lastMs = nowMs;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
