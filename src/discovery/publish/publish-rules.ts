import type { ZoneCount } from "../mesh-service.ts";
import type { ExportContent } from "./export-records.ts";

/** `weight`: only shifts load a little, may wait; `now`: somebody must know at once. */
export type Urgency = "now" | "weight";

/** Weight-only changes of one service merge to one in so many ms. */
const weightWindowMs = 1000;

/**
 * How urgent the step from what is published to what is true is. New and withdrawn exports, changed
 * definitions, the first or last healthy workload of a zone and an endpoint that others dial and that
 * can no longer serve never wait.
 */
export function urgencyOf(
  before: ExportContent | undefined,
  after: ExportContent | undefined,
): Urgency {
  if (before === undefined || after === undefined) return "now";
  if (definitionOf(before) !== definitionOf(after)) return "now";
  if (hasZoneTurned(before.record.zones, after.record.zones)) return "now";
  return hasLostEndpoint(before, after) ? "now" : "weight";
}

function definitionOf(content: ExportContent): string {
  return JSON.stringify({ ...content.record, zones: [] });
}

/** Whether a zone gained its first or lost its last healthy workload. */
function hasZoneTurned(before: readonly ZoneCount[], after: readonly ZoneCount[]): boolean {
  const served = (zones: readonly ZoneCount[]): string =>
    JSON.stringify(zones.filter((one) => one.healthy > 0).map((one) => one.zone));
  return served(before) !== served(after);
}

function hasLostEndpoint(before: ExportContent, after: ExportContent): boolean {
  const dialled = new Set(
    after.endpoints.filter((one) => one.health === "healthy").map((one) => one.address),
  );
  return before.endpoints.some((one) => one.health === "healthy" && !dialled.has(one.address));
}

/** When a change may go out, given when the service was published last. Monotonic ms. */
export function dueAtMs(
  urgency: Urgency,
  times: { readonly nowMs: number; readonly publishedAtMs: number },
): number {
  return urgency === "now"
    ? times.nowMs
    : Math.max(times.nowMs, times.publishedAtMs + weightWindowMs);
}
