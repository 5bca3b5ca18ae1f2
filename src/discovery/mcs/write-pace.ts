import { backoffCeilingMs, inUpperHalf } from "../../mesh/backoff.ts";
import type { ServiceId } from "../../mesh/ids.ts";
import type { Random } from "../../mesh/ports.ts";

/**
 * When the objects of a service may be written next. Failures wait longer each time; a service whose
 * objects somebody else keeps changing back costs a write a second and no more.
 */
export interface WritePace {
  /** 0: now. */
  readonly waitMs: (id: ServiceId, nowMs: number) => number;
  readonly wrote: (id: ServiceId, nowMs: number) => void;
  /** At random, to keep the agents of a cluster apart. */
  readonly failed: (id: ServiceId, at: { readonly nowMs: number; readonly random: Random }) => void;
  readonly succeeded: (id: ServiceId) => void;
}

// Making an import takes five writes, and slices come and go with their workloads.
const burst = 30;
const perSecond = 1;
// Somebody has to change a right or an object first, and the watch tells when objects change.
const retry = { firstMs: 200, maxMs: 60_000 } as const;

interface Course {
  tokens: number;
  atMs: number;
  failures: number;
  notBeforeMs: number;
}

export function createWritePace(): WritePace {
  const courses = new Map<ServiceId, Course>();
  const courseOf = (id: ServiceId, nowMs: number): Course => {
    const course = courses.get(id) ?? { tokens: burst, atMs: nowMs, failures: 0, notBeforeMs: 0 };
    courses.set(id, course);
    course.tokens = Math.min(burst, course.tokens + ((nowMs - course.atMs) / 1000) * perSecond);
    course.atMs = nowMs;
    return course;
  };
  return {
    waitMs: (id, nowMs) => {
      const known = courses.get(id);
      if (known === undefined) return 0;
      const { tokens, notBeforeMs, failures } = courseOf(id, nowMs);
      if (tokens >= burst && failures === 0) courses.delete(id);
      const untilToken = tokens >= 1 ? 0 : ((1 - tokens) / perSecond) * 1000;
      return Math.ceil(Math.max(0, untilToken, notBeforeMs - nowMs));
    },
    wrote: (id, nowMs) => {
      courseOf(id, nowMs).tokens -= 1;
    },
    failed: (id, { nowMs, random }) => {
      const course = courseOf(id, nowMs);
      course.notBeforeMs = nowMs + inUpperHalf(backoffCeilingMs(retry, course.failures), random);
      course.failures += 1;
    },
    succeeded: (id) => {
      const course = courses.get(id);
      if (course !== undefined) Object.assign(course, { failures: 0, notBeforeMs: 0 });
    },
  };
}
