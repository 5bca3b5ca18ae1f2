import type { Sample } from "./sample.ts";

/** When what happened, in ms of the machine's monotonic clock. */
export interface Course {
  readonly beganMs: number;
  /** What fails from here on counts; times count from the fault. */
  readonly preparedMs: number;
  readonly faultMs: number;
  readonly healMs: number;
}

export interface MeasureOptions {
  readonly course: Course;
  /** Whether the fault hit whoever signs so. */
  readonly isStruck: (who: string) => boolean;
  /** Whether traffic of this fault may go there. */
  readonly isAllowed: (who: string) => boolean;
  /** A request that takes longer is late. */
  readonly lateMs: number;
}

/** What one service's exchanges of some kinds went through. Times in ms. */
export interface Measure {
  readonly requests: number;
  readonly failed: number;
  /** Of those that were begun after the fault. */
  readonly laterFailed: number;
  /** Of those that a proxy may repeat. */
  readonly idempotentFailed: number;
  readonly othersFailed: number;
  /** Under way at the same time, at most, from the fault until it was mended. */
  readonly inFlight: number;
  readonly late: number;
  readonly worst: number;
  readonly p999: number;
  /** The longest time without a success. */
  readonly blackout: number;
  /** From the fault until every request begun later succeeds in time, elsewhere. */
  readonly moved: number;
  /** From the fault until the last failed or late one had ended. */
  readonly steady: number;
  /** Answers from where none should come. */
  readonly strays: number;
  /** Answers to requests of the last quarter of the fault. */
  readonly atEnd: { readonly byStruck: number; readonly byOthers: number };
  readonly backFailed: number;
  readonly backWorst: number;
  /** From mending until the struck ones carry four fifths of their share again; absent: never seen. */
  readonly back?: number;
  /** Why requests failed, counted. */
  readonly failures: Readonly<Record<string, number>>;
}

export function measure(samples: readonly Sample[], options: MeasureOptions): Measure {
  const { course, isStruck, isAllowed, lateMs } = options;
  const { preparedMs, faultMs, healMs } = course;
  const hit = samples.filter(({ startMs, endMs }) => endMs > preparedMs && startMs < healMs);
  const later = samples.filter(({ startMs }) => startMs >= healMs);
  const failed = hit.filter(isFailed);
  const bad = hit.filter((one) => isFailed(one) || tookMs(one) > lateMs);
  const isAway = (one: Sample): boolean =>
    one.who !== undefined && one.startMs > faultMs && isStruck(one.who);
  const unmoved = [...bad, ...hit.filter(isAway)];
  const times = hit.map(tookMs).sort((a, b) => a - b);
  const back = backMs(samples, options);
  return {
    requests: samples.filter(({ endMs }) => endMs > preparedMs).length,
    failed: failed.length,
    laterFailed: failed.filter(({ startMs }) => startMs > preparedMs).length,
    idempotentFailed: failed.filter(({ kind }) => kind !== "post").length,
    othersFailed: failed.filter(({ kind }) => kind === "post").length,
    inFlight: peakOf(hit),
    late: bad.filter((one) => !isFailed(one)).length,
    worst: times.at(-1) ?? 0,
    p999: times[Math.floor(times.length * 0.999)] ?? 0,
    blackout: blackoutOf(samples, course),
    moved: Math.max(0, ...unmoved.map(({ startMs }) => startMs - faultMs)),
    steady: Math.max(0, ...bad.map(({ endMs }) => endMs - faultMs)),
    strays: hit.filter(({ who }) => who !== undefined && !isAllowed(who)).length,
    atEnd: answersAtEnd(hit, options),
    backFailed: later.filter(isFailed).length,
    backWorst: Math.max(0, ...later.map(tookMs)),
    ...(back === undefined ? {} : { back }),
    failures: counted([...failed, ...later.filter(isFailed)].map(({ failure }) => failure ?? "")),
  };
}

function answersAtEnd(hit: readonly Sample[], options: MeasureOptions): Measure["atEnd"] {
  const { faultMs, healMs } = options.course;
  const fromMs = healMs - (healMs - faultMs) / 4;
  const signers = hit.flatMap(({ startMs, who }) =>
    startMs >= fromMs && who !== undefined ? [who] : [],
  );
  const byStruck = signers.filter(options.isStruck).length;
  return { byStruck, byOthers: signers.length - byStruck };
}

function isFailed({ failure }: Sample): boolean {
  return failure !== undefined;
}

function tookMs({ startMs, endMs }: Sample): number {
  return endMs - startMs;
}

function peakOf(samples: readonly Sample[]): number {
  const steps = samples.flatMap(({ startMs, endMs }) => [
    { atMs: startMs, by: 1 },
    { atMs: endMs, by: -1 },
  ]);
  steps.sort((a, b) => a.atMs - b.atMs || a.by - b.by);
  let now = 0;
  let peak = 0;
  for (const { by } of steps) {
    now += by;
    peak = Math.max(peak, now);
  }
  return peak;
}

function blackoutOf(samples: readonly Sample[], { faultMs, healMs }: Course): number {
  const endings = samples
    .filter((one) => !isFailed(one))
    .map(({ endMs }) => endMs)
    .sort((a, b) => a - b);
  let last = faultMs;
  let longest = 0;
  for (const endMs of endings) {
    if (endMs <= faultMs) continue;
    longest = Math.max(longest, Math.min(endMs, healMs) - last);
    if (endMs >= healMs) return longest;
    last = endMs;
  }
  return Math.max(longest, healMs - last);
}

/** A share is judged over so long. */
const shareMs = 1000;
const enoughShare = 0.8;
const stepMs = 100;

function backMs(samples: readonly Sample[], options: MeasureOptions): number | undefined {
  const { course, isStruck } = options;
  const shareIn = (fromMs: number, untilMs: number): number => {
    const some = samples.filter(({ endMs }) => endMs >= fromMs && endMs < untilMs);
    const struck = some.filter(({ who }) => who !== undefined && isStruck(who));
    return some.length === 0 ? 0 : struck.length / some.length;
  };
  const wanted = enoughShare * shareIn(course.beganMs, course.preparedMs);
  if (wanted === 0) return undefined;
  const endMs = Math.max(...samples.map((one) => one.endMs));
  for (let fromMs = course.healMs; fromMs + shareMs <= endMs; fromMs += stepMs) {
    if (shareIn(fromMs, fromMs + shareMs) >= wanted) return fromMs - course.healMs;
  }
  return undefined;
}

function counted(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
