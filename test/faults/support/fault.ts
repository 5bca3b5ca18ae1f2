import { setTimeout as wait } from "node:timers/promises";

/** Something that goes wrong for a while, and what came of it. */
export interface Fault {
  /** Stable, for `--only` and for whoever reads the table by machine. */
  readonly name: string;
  /** What happens, in the table's words. */
  readonly title: string;
  readonly run: () => Promise<Outcome>;
}

export interface Outcome {
  /** From the fault's end until every reader and every hub holds exactly what the writers say. */
  readonly backInStepMs: number;
  /** What is missing or old when the patience ends; empty unless something is broken. */
  readonly lost: readonly string[];
  readonly wronglyRemoved: readonly string[];
  readonly wentBack: readonly string[];
  /** Changes made while it lasted. */
  readonly changes: number;
  /** What is worth to know of this one. */
  readonly note?: string;
  /** Where traffic ran. */
  readonly requests?: {
    readonly sent: number;
    readonly failed: number;
    /** Why, each once. */
    readonly reasons: readonly string[];
  };
}

/** What a fault strikes: members with steady changes, and a judge of what each knows of the others. */
export interface Struck {
  /** Changes one service after the other, in every member that runs. */
  readonly setLoad: (changesPerSecond: number) => void;
  /** One change more of every member that runs; nobody may wait with it. */
  readonly changeAll: () => Promise<void>;
  /** What some reader holds other than it is. */
  readonly readerDifferences: () => Promise<readonly string[]>;
  /** What some reader or hub holds other than it is; empty: all are in step. */
  readonly differences: () => Promise<readonly string[]>;
  readonly tally: () => Promise<Tally>;
}

export interface Tally {
  readonly changes: number;
  /** Entries that a reader dropped while they existed. */
  readonly wronglyRemoved: readonly string[];
  /** Times that a reader went back to older content. */
  readonly wentBack: readonly string[];
}

/** What the issue demands of every fault. */
export const targetMs = 5000;
/** What tests grant: the table holds the target, and a busy machine is no defect. */
export const patientMs: number = 3 * targetMs;
/** Each is some catalogs in this process and a Redis or two; they mostly wait. */
export const faultsAtOnce = 8;
/** How long a broken run is watched before it counts as lost. */
const lostAfterMs = 30_000;
const pollMs = 10;
const loadPerSecond = 10;

/**
 * Strikes members that are in step and gives them steady changes; `strike` resolves when the fault has
 * ended. Everybody must then come to know one more change of everybody.
 */
export async function measureFault(struck: Struck, strike: () => Promise<void>): Promise<Outcome> {
  const start = await timeInStep(struck);
  if (start.lost.length > 0) throw new Error(`never in step at first: ${start.lost.join("; ")}`);
  struck.setLoad(loadPerSecond);
  const before = (await struck.tally()).changes;
  try {
    await strike();
  } finally {
    struck.setLoad(0);
  }
  const { changes } = await struck.tally();
  await struck.changeAll();
  const end = await timeInStep(struck);
  const { wronglyRemoved, wentBack } = await struck.tally();
  return {
    backInStepMs: end.ms,
    lost: end.lost,
    wronglyRemoved,
    wentBack,
    changes: changes - before,
  };
}

/** One more change of everybody is known to everybody, hubs or no hubs; how long it took. */
export async function timeToReaders(struck: Struck): Promise<number> {
  const startMs = performance.now();
  await struck.changeAll();
  for (;;) {
    const ms = performance.now() - startMs;
    const late = await struck.readerDifferences();
    if (late.length === 0) return ms;
    if (ms > lostAfterMs) throw new Error(`Readers never came to know: ${late.join("; ")}`);
    await wait(pollMs);
  }
}

async function timeInStep(
  struck: Struck,
): Promise<{ readonly ms: number; readonly lost: readonly string[] }> {
  const startMs = performance.now();
  for (;;) {
    const lost = await struck.differences();
    const ms = performance.now() - startMs;
    if (lost.length === 0 || ms > lostAfterMs) return { ms, lost };
    await wait(pollMs);
  }
}
