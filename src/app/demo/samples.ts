import type { MemberName } from "../../mesh/ids.ts";

/** One request of the steady traffic, as its caller saw it. Times are epoch ms with fractions. */
export interface Sample {
  readonly caller: MemberName;
  /** Short name of the service it asked for. */
  readonly service: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Absent: the request failed. */
  readonly servedBy?: MemberName;
  /** Why it failed, for the report. */
  readonly failure?: string;
  /** When the connection that carried it was opened, and who had answered on it before. */
  readonly connection: { readonly openedMs: number; readonly lastServedBy?: MemberName };
}

/** What a phase breaks, and when. */
export interface Fault {
  readonly atMs: number;
  /** The member whose workloads or gateway die or fall silent. */
  readonly member: MemberName;
  readonly service: string;
  /** A gateway carries other members' callers only; its own member's reach their workloads without it. */
  readonly at: "workloads" | "gateway";
  /** Whether the fault ends connections; a drain does not. */
  readonly cuts: boolean;
  /** When it was undone: traffic that comes back later is not traffic that had not left. */
  readonly untilMs: number;
}

/**
 * A failed request counts as cut, not as failed, when it was in flight through what the phase itself
 * killed or silenced: sent on a connection that was open before the fault and led to that member.
 * A connection that had not answered yet may have led there.
 */
export function isCut(sample: Sample, fault: Fault | undefined): boolean {
  if (sample.servedBy !== undefined || fault === undefined || !fault.cuts) return false;
  if (!isInReach(sample, fault)) return false;
  const wasOpen = sample.connection.openedMs <= fault.atMs;
  const lastServedBy = sample.connection.lastServedBy;
  return wasOpen && (lastServedBy === undefined || lastServedBy === fault.member);
}

function isInReach(sample: Sample, fault: Fault): boolean {
  return fault.at === "workloads" || sample.caller !== fault.member;
}

/** What one phase did to one caller, or to all of them. */
export interface Tally {
  readonly requests: number;
  readonly failed: number;
  readonly cut: number;
  /** Why requests failed that were not cut, counted. */
  readonly failures: Readonly<Record<string, number>>;
  /** Answers by the member that gave them. */
  readonly servedBy: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /**
   * From the fault to the first answer by another member after which the faulty one served nobody and
   * nothing failed any more; undefined when there was no fault or nothing moved.
   */
  readonly movedMs: number | undefined;
  /** From the fault to the start of the last request that failed without being cut. */
  readonly lastFailureMs: number | undefined;
}

/** `before`: what came just before `samples`; it tells whose traffic the fault hits. */
export function tallyOf(
  samples: readonly Sample[],
  {
    fault,
    before = [],
  }: { readonly fault?: Fault | undefined; readonly before?: readonly Sample[] } = {},
): Tally {
  const latencies: number[] = [];
  const servedBy: Record<string, number> = {};
  const failures: Record<string, number> = {};
  const total = { failed: 0, cut: 0 };
  for (const sample of samples) {
    if (sample.servedBy !== undefined) {
      servedBy[sample.servedBy] = (servedBy[sample.servedBy] ?? 0) + 1;
      latencies.push(sample.endMs - sample.startMs);
    } else if (isCut(sample, fault)) total.cut += 1;
    else {
      total.failed += 1;
      const why = `${sample.caller} → ${sample.service}: ${sample.failure ?? "no answer"}`;
      failures[why] = (failures[why] ?? 0) + 1;
    }
  }
  latencies.sort((a, b) => a - b);
  return {
    requests: samples.length,
    ...total,
    failures,
    servedBy,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    movedMs: fault === undefined ? undefined : movedMs([...before, ...samples], fault),
    lastFailureMs: fault === undefined ? undefined : lastFailureMs(samples, fault),
  };
}

/** `sorted` ascending; 0 when there is nothing to rank. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

function movedMs(samples: readonly Sample[], fault: Fault): number | undefined {
  const affected = affectedCallers(samples, fault);
  const later = samples.filter((sample) => {
    const isDuring = sample.endMs > fault.atMs && sample.startMs < fault.untilMs;
    return isDuring && sample.service === fault.service && affected.has(sample.caller);
  });
  const isOld = (sample: Sample): boolean =>
    sample.servedBy === undefined || sample.servedBy === fault.member;
  // A cut request hangs until its connection is closed: others have long moved by then, so it is
  // judged by when it was sent.
  const lastOldMs = Math.max(fault.atMs, ...later.filter(isOld).map((sample) => sample.startMs));
  const moved = later.filter((sample) => !isOld(sample) && sample.startMs >= lastOldMs);
  const firstMs = Math.min(...moved.map((sample) => sample.endMs));
  return Number.isFinite(firstMs) ? firstMs - fault.atMs : undefined;
}

/** Callers whom the faulty member served just before. */
function affectedCallers(samples: readonly Sample[], fault: Fault): ReadonlySet<MemberName> {
  const before = samples.filter((sample) => sample.startMs <= fault.atMs);
  const served = before.filter(
    (sample) =>
      sample.service === fault.service &&
      sample.servedBy === fault.member &&
      isInReach(sample, fault),
  );
  return new Set(served.map((s) => s.caller));
}

function lastFailureMs(samples: readonly Sample[], fault: Fault): number | undefined {
  const failed = samples.filter((s) => s.servedBy === undefined && !isCut(s, fault));
  const last = Math.max(...failed.map((sample) => sample.startMs));
  return Number.isFinite(last) ? last - fault.atMs : undefined;
}
