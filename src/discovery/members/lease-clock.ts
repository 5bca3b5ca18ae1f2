import type { Head } from "../shards/head.ts";
import type { Lease } from "./member-state.ts";

/**
 * Judges a lease by this process's own monotonic clock since the last new beat. Clocks of members are
 * compared once, at a cold start: a recorded head must not make a dead member look alive.
 */
export interface LeaseClock {
  /** Takes a verified head; returns whether its beat is new. */
  readonly beat: (
    head: Head,
    at: { readonly nowMs: number; readonly monotonicMs: number },
  ) => boolean;
  readonly isNews: (head: Pick<Head, "epoch" | "beat">) => boolean;
  readonly leaseAt: (monotonicMs: number) => Lease;
  /** When the last new beat came, by the monotonic clock; undefined before the first. */
  readonly heardAtMs: () => number | undefined;
}

/** How far the clocks of two members may differ before a first contact counts as lost. */
const maxSkewMs = 60_000;

export function createLeaseClock(): LeaseClock {
  let seen: Pick<Head, "epoch" | "beat"> | undefined;
  let runsOutAtMs: number | undefined;
  let heardAtMs: number | undefined;

  const isNews = (head: Pick<Head, "epoch" | "beat">): boolean =>
    seen === undefined ||
    head.epoch > seen.epoch ||
    (head.epoch === seen.epoch && head.beat > seen.beat);

  return {
    isNews,
    beat: (head, { nowMs, monotonicMs }) => {
      if (!isNews(head)) return false;
      const isFirst = seen === undefined;
      seen = { epoch: head.epoch, beat: head.beat };
      heardAtMs = monotonicMs;
      const isRecent = Math.abs(nowMs - head.timeMs) <= head.leaseMs + maxSkewMs;
      if (!isFirst || isRecent) runsOutAtMs = monotonicMs + head.leaseMs;
      return true;
    },
    leaseAt: (monotonicMs) =>
      runsOutAtMs !== undefined && monotonicMs < runsOutAtMs ? "live" : "lost",
    heardAtMs: () => heardAtMs,
  };
}
