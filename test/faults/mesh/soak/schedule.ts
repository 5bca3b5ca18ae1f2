/** Faults in a random order, all of it known from the seed. */
export interface Step {
  /** Names of faults that last together. */
  readonly faults: readonly string[];
  readonly lastsMs: number;
  /** Quiet after it. */
  readonly restMs: number;
}

// One of three steps is two faults at once.
const pairRatio = 1 / 3;
const minLastsMs = 2000;
const maxLastsMs = 10_000;
const minRestMs = 6000;
const maxRestMs = 9000;

/** As many steps as fit into the time, at least one. `names` that share a subject are never paired. */
export function scheduleFor(
  seed: number,
  options: {
    readonly totalMs: number;
    readonly faults: readonly { readonly name: string; readonly subject: string }[];
  },
): readonly Step[] {
  const random = seededRandom(seed);
  const between = (low: number, high: number): number => Math.round(low + random() * (high - low));
  const steps: Step[] = [];
  for (let passedMs = 0; steps.length === 0 || passedMs < options.totalMs; ) {
    const first = pick(options.faults, random);
    const others = options.faults.filter(({ subject }) => subject !== first?.subject);
    const second = random() < pairRatio ? pick(others, random) : undefined;
    const faults = [first, second].flatMap((fault) => (fault === undefined ? [] : [fault.name]));
    const step = {
      faults,
      lastsMs: between(minLastsMs, maxLastsMs),
      restMs: between(minRestMs, maxRestMs),
    };
    steps.push(step);
    passedMs += step.lastsMs + step.restMs;
  }
  return steps;
}

function pick<Value>(values: readonly Value[], random: () => number): Value | undefined {
  return values[Math.floor(random() * values.length)];
}

/** mulberry32: 0..1, the same for the same seed on every machine. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
