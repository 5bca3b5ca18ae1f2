import type { Random } from "../../mesh/ports.ts";
import type { Leadership } from "../publish/election.ts";
import { contenderOf, type SeenLease } from "./lease-object.ts";

/** What a contender does next. */
export type LeaseStep =
  | { readonly t: "wait"; readonly untilMs: number }
  | { readonly t: "look" }
  /** Write it as the holder; `previous` undefined: there is none yet. */
  | { readonly t: "write"; readonly previous: SeenLease | undefined };

export interface LeaseTimes {
  /** How long others wait for a holder that they see nothing of. */
  readonly durationMs: number;
  readonly renewMs: number;
  /** A holder whose last renewal began this long ago does not lead any more: well before others may. */
  readonly stepDownMs: number;
  readonly lookMs: number;
  readonly retryMs: number;
}

export function leaseTimes(durationMs: number): LeaseTimes {
  return {
    durationMs,
    // One renewal may be lost and the next one late.
    renewMs: durationMs / 3,
    stepDownMs: (durationMs * 2) / 3,
    lookMs: durationMs / 6,
    retryMs: durationMs / 6,
  };
}

/**
 * One contender's view of a Lease; all times are of its own monotonic clock, as the clocks of hosts are not compared: what
 * it has not seen change for the Lease's duration is free.
 */
export interface LeaseJudge {
  readonly next: (atMs: number) => LeaseStep;
  /** A look; undefined: there is no Lease. */
  readonly saw: (lease: SeenLease | undefined, atMs: number) => void;
  /** Our write went through; it began at `beganMs`. */
  readonly wrote: (
    lease: SeenLease,
    times: { readonly beganMs: number; readonly atMs: number },
  ) => void;
  /** A look or write failed. With `isStale` the Lease is not as it was seen: look again. */
  readonly failed: (atMs: number, isStale: boolean) => void;
  readonly leadership: (atMs: number) => Leadership;
  /** Something is to be written without delay. */
  readonly hurry: () => void;
  /** When `leadership` changes by itself; undefined: not by time. */
  readonly stepDownAtMs: () => number | undefined;
  readonly lease: () => SeenLease | undefined;
}

export function createLeaseJudge(options: {
  /** As in `contenderName`. */
  readonly self: string;
  readonly times: LeaseTimes;
  readonly random: Random;
}): LeaseJudge {
  const { self, times, random } = options;
  /** Nobody else leads by it from `freeAtMs` on, unless it changes. */
  let seen: { readonly lease: SeenLease | undefined; readonly freeAtMs: number } | undefined;
  let renewedAtMs: number | undefined;
  let dueMs = Number.NEGATIVE_INFINITY;
  let mustLook = true;

  // Contenders that started together must not ask together for ever.
  const soon = (ms: number): number => ms * (0.9 + 0.1 * random());
  const isOurs = (lease: SeenLease | undefined): boolean => lease?.holder === self;
  const freeAtMs = (lease: SeenLease | undefined, atMs: number): number => {
    if (lease !== undefined) {
      return lease.holder === undefined || isOurs(lease) ? atMs : atMs + lease.durationMs;
    }
    // Whoever held what is deleted now goes on until it finds that out.
    return seen === undefined || isOurs(seen.lease) ? atMs : seen.freeAtMs;
  };

  return {
    next: (atMs) => {
      if (atMs < dueMs) return { t: "wait", untilMs: dueMs };
      if (seen === undefined || mustLook) return { t: "look" };
      // What is free by now may have been renewed since the last look: the write finds out.
      return atMs >= seen.freeAtMs ? { t: "write", previous: seen.lease } : { t: "look" };
    },
    saw: (lease, atMs) => {
      const isSame = seen?.lease?.version === lease?.version && seen?.lease?.uid === lease?.uid;
      seen = {
        lease,
        freeAtMs: seen !== undefined && isSame ? seen.freeAtMs : freeAtMs(lease, atMs),
      };
      mustLook = false;
      if (!isOurs(lease)) renewedAtMs = undefined;
      dueMs = Math.min(atMs + soon(times.lookMs), Math.max(atMs, seen.freeAtMs));
    },
    wrote: (lease, { beganMs, atMs }) => {
      seen = { lease, freeAtMs: atMs };
      mustLook = false;
      renewedAtMs = isOurs(lease) ? beganMs : undefined;
      dueMs = atMs + soon(times.renewMs);
    },
    failed: (atMs, isStale) => {
      // When an API server comes back its leader finds out first, or it would change hands with every outage.
      if (!isStale && seen !== undefined && !isOurs(seen.lease)) {
        seen = { ...seen, freeAtMs: Math.max(seen.freeAtMs, atMs + 2 * times.retryMs) };
      }
      mustLook ||= isStale;
      dueMs = isStale ? atMs : atMs + soon(times.retryMs);
    },
    leadership: (atMs) => {
      if (seen === undefined) return { t: "unknown" };
      const { lease } = seen;
      if (lease !== undefined && !isOurs(lease)) {
        const holder = lease.holder === undefined ? undefined : contenderOf(lease.holder);
        return { t: "follower", holder };
      }
      if (renewedAtMs === undefined) return { t: "follower", holder: undefined };
      return atMs - renewedAtMs < times.stepDownMs ? { t: "leader" } : { t: "doubtful" };
    },
    hurry: () => {
      dueMs = Number.NEGATIVE_INFINITY;
    },
    stepDownAtMs: () => (renewedAtMs === undefined ? undefined : renewedAtMs + times.stepDownMs),
    lease: () => seen?.lease,
  };
}
