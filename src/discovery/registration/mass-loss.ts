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
  /** One more was lost, of so many that had a stream before it; returns whether those of the window are held. */
  readonly lost: (
    key: string,
    at: { readonly live: number; readonly nowMs: number },
  ) => LossVerdict;
  /** It is back, or gone for good. */
  readonly settled: (key: string) => void;
}

export type LossVerdict =
  | { readonly t: "alone" }
  /** All of these were lost together. */
  | { readonly t: "mass"; readonly keys: readonly string[] };

export function createMassLoss(rules: MassLossRules = massLossRules): MassLoss {
  const recent = new Map<string, number>();
  let massUntilMs = Number.NEGATIVE_INFINITY;
  return {
    lost: (key, { live, nowMs }) => {
      for (const [old, atMs] of recent) {
        if (nowMs - atMs < rules.windowMs) break;
        recent.delete(old);
      }
      recent.delete(key);
      recent.set(key, nowMs);
      // `live` is without this one: those of the window had streams when it began.
      const before = live + recent.size;
      const isMass = recent.size >= rules.atLeast && recent.size * 2 > before;
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
