import type { ServiceRecord } from "../shards/records.ts";

/** Below this part of a zone's weight a remote change waits for the next. */
const minorRatio = 0.1;

/** Whether proxies may stay with the earlier counts: nothing but weights moved, and those hardly. */
export function isMinorChange(shown: ServiceRecord, next: ServiceRecord): boolean {
  if (shown.zones.length !== next.zones.length) return false;
  if (JSON.stringify({ ...shown, zones: [] }) !== JSON.stringify({ ...next, zones: [] }))
    return false;
  return shown.zones.every((before, index) => {
    const after = next.zones[index];
    if (after === undefined || after.zone !== before.zone) return false;
    if (after.healthy > 0 !== before.healthy > 0) return false;
    // What drains weighs nothing; that it does decides what happens to its connections.
    if (after.draining !== before.draining) return false;
    return isNear(before.healthy, after.healthy) && isNear(before.total, after.total);
  });
}

function isNear(before: number, after: number): boolean {
  return before === after || Math.abs(after - before) < before * minorRatio;
}
