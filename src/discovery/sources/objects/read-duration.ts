import { shown } from "../source-finding.ts";
import type { Fields } from "./fields.ts";

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const shape = /^(?:\d{1,9}(?:ms|s|m|h)){1,4}$/;
const part = /(\d+)(ms|s|m|h)/g;

/** Reads `1m30s`; undefined for an absent one, and, with a problem, for a wrong one. */
export function readDurationMs(
  fields: Fields,
  key: string,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number },
): number | undefined {
  const written = fields.text(key);
  if (written === undefined) return undefined;
  if (!shape.test(written)) {
    return fields.refuse(key, `it is ${shown(written)}; write a time like 30s, 5m or 1h30m`);
  }
  let totalMs = 0;
  for (const [, count, unit] of written.matchAll(part)) {
    totalMs += Number(count) * unitsMs[unit as keyof typeof unitsMs];
  }
  if (totalMs >= minMs && totalMs <= maxMs) return totalMs;
  return fields.refuse(
    key,
    `it is ${shown(written)}; at least ${minMs} and at most ${maxMs} ms are allowed`,
  );
}
