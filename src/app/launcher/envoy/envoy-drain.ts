import { setTimeout as wait } from "node:timers/promises";
import { reasonOf } from "../../../mesh/errors.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { EnvoyAdmin } from "./admin.ts";
import type { EnvoyCounts } from "./envoy-counts.ts";

export interface DrainOptions {
  readonly admin: EnvoyAdmin;
  readonly count: () => Promise<EnvoyCounts>;
  /** Over which callers are asked to leave. */
  readonly drainSeconds: number;
  /** A sidecar's: its own application may call others until it ends. */
  readonly keepsOutbound: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

const lookMs = 50;

/**
 * HTTP callers are asked to leave (`connection: close`, GOAWAY) while new connections are still taken, then
 * those are refused. Resolves when nothing is in flight any more, at the latest after `graceMs`: what is open
 * then, Envoy's end cuts.
 */
export async function drainEnvoy(options: DrainOptions, graceMs: number): Promise<void> {
  const { clock, drainSeconds, keepsOutbound } = options;
  const doors = keepsOutbound ? "&inboundonly" : "";
  const endMs = clock.monotonicMs() + graceMs;
  const askedMs = Math.min(endMs, clock.monotonicMs() + drainSeconds * 1000);
  await tell(options, "/healthcheck/fail");
  await tell(options, `/drain_listeners?graceful&skip_exit${doors}`);
  await until(options, { endMs: askedMs, isDone: ({ counts }) => counts.open === 0 });
  await tell(options, `/drain_listeners?${doors}`);
  await until(options, { endMs, isDone: ({ busy }) => busy === 0 });
}

async function tell({ admin, log }: DrainOptions, path: string): Promise<void> {
  await admin.post(path).catch((thrown: unknown) => {
    log.warn({ reason: reasonOf(thrown) }, "Envoy was not told to drain");
  });
}

async function until(
  { clock, count }: DrainOptions,
  what: { readonly endMs: number; readonly isDone: (counts: EnvoyCounts) => boolean },
): Promise<void> {
  while (clock.monotonicMs() < what.endMs) {
    const counts = await count().catch(() => undefined);
    // An Envoy that has ended meanwhile has nothing in flight.
    if (counts === undefined || what.isDone(counts)) return;
    await wait(Math.max(0, Math.min(lookMs, what.endMs - clock.monotonicMs())));
  }
}
