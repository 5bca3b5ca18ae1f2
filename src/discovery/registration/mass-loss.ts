/** When losses say more of the network than of the workloads. */
export interface MassLossRules {
  /** Losses within this time belong together. */
  readonly windowMs: number;
  /** Fewer than so many are never a mass: two VMs that restart together are just that. */
  readonly atLeast: number;
}

const massLossRules: MassLossRules = {
  // An agent whose network died hears of each stream when that one's pings stay unanswered.
  windowMs: 10_000,
  atLeast: 3,
};

/** Counts what is lost, and what comes back. */
export interface MassLoss {
  readonly lost: (key: string, loss: Loss) => LossVerdict;
  /** It is back, or gone for good. */
  readonly settled: (key: string) => void;
}

/** One more was lost. */
export interface Loss {
  /** Whose it was: who drops several at once says no more than by dropping one. */
  readonly by: string;
  /** So many still have a stream. */
  readonly live: number;
  readonly nowMs: number;
}

export type LossVerdict =
  | { readonly t: "alone" }
  /** All of these were lost together. */
  | { readonly t: "mass"; readonly keys: readonly string[] };

export function createMassLoss(rules: MassLossRules = massLossRules): MassLoss {
  const recent = new Map<string, Pick<Loss, "by" | "nowMs">>();
  let massUntilMs = Number.NEGATIVE_INFINITY;
  return {
    lost: (key, { by, live, nowMs }) => {
      for (const [old, one] of recent) {
        if (nowMs - one.nowMs < rules.windowMs) break;
        recent.delete(old);
      }
      recent.delete(key);
      recent.set(key, { by, nowMs });
      const count = new Set([...recent.values()].map((one) => one.by)).size;
      // More than half of all that had streams when the window began.
      const isMass = count >= rules.atLeast && count > live;
      if (isMass) massUntilMs = nowMs + rules.windowMs;
      return nowMs < massUntilMs ? { t: "mass", keys: [...recent.keys()] } : { t: "alone" };
    },
    settled: (key) => void recent.delete(key),
  };
}

/** Whether what was held together is over: of all that were, at least half have settled. */
export function isMassOver(counts: { readonly peak: number; readonly held: number }): boolean {
  return counts.held * 2 <= counts.peak;
}
