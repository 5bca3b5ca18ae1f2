/** What a benchmark prints: one JSON document per claim of the README. */
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";

/** One measured figure. Ratios compare with a peer that ran in the same run. */
export interface Figure {
  readonly name: string;
  /** `us`, `ms`, `MB`, `per second`, `ratio` … */
  readonly unit: string;
  readonly samples: readonly number[];
  /** In the figure's unit; `atLeast` for rates and ratios, `atMost` for costs. */
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
  /** `worst` for what must never happen: a median would hide the one time that it did. */
  readonly judgedBy?: "worst";
}

export interface Claim {
  /** The claim, as the README words it. */
  readonly claim: string;
  /** Sizes and settings that the figures depend on. */
  readonly setup: Readonly<Record<string, string | number | boolean>>;
  readonly figures: readonly Figure[];
}

/** Prints the claim with its medians, p99s and verdicts to standard output. */
export function report(claim: Claim): void {
  const document = {
    ...claim,
    machine: machine(),
    date: new Date().toISOString().slice(0, 10),
    figures: claim.figures.map(summary),
  };
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** `q` in 0..1; NaN when there is nothing to rank. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

function summary(figure: Figure): object {
  const { name, unit, samples, target, judgedBy } = figure;
  const p50 = median(samples);
  const judged = judgedBy === "worst" ? worstOf(figure) : p50;
  const reached =
    target === undefined
      ? {}
      : {
          target,
          reached: "atLeast" in target ? judged >= target.atLeast : judged <= target.atMost,
        };
  return {
    name,
    unit,
    n: samples.length,
    median: round(p50),
    p99: round(quantile(samples, 0.99)),
    ...reached,
  };
}

function worstOf({ samples, target }: Figure): number {
  const isRate = target !== undefined && "atLeast" in target;
  return isRate ? Math.min(...samples) : Math.max(...samples);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function machine(): object {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
  };
}
