import type { EngineContext, Flow } from "./context.ts";
import { closeByConfig, closeFlow, isAbandoned, proxyOf, refuse } from "./flow.ts";
import { failAttempt } from "./upstream.ts";

// Connect timeouts are 0.5 s and up: a tenth of a second late is early enough.
export const tickMs = 100;
// Idle limits are minutes.
const ticksPerIdleSweep = 5;

/** One timer for all deadlines of all connections; a timer per socket costs more than the sweep. */
export class Sweep {
  readonly #timer: NodeJS.Timeout;

  constructor(context: EngineContext) {
    let tick = 0;
    let lastMs = context.clock.monotonicMs();
    this.#timer = setInterval(() => {
      context.coarseMs = context.clock.monotonicMs();
      const lateMs = context.coarseMs - lastMs - tickMs;
      lastMs = context.coarseMs;
      if (lateMs > tickMs) putOff(context, lateMs);
      sweepWaiting(context);
      if (++tick % ticksPerIdleSweep === 0) sweepOpen(context);
    }, tickMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/**
 * While this process did nothing, nobody was silent: what they said lies unread behind this very timer. And to try
 * the next host then would be one more handshake just when there is no time for the first.
 */
function putOff({ greeting, connecting }: EngineContext, byMs: number): void {
  for (const flow of greeting) flow.deadlineMs += byMs;
  for (const flow of connecting) flow.deadlineMs += byMs;
}

/** Sets may change while they are walked: a flow that leaves is skipped, one that comes back is early. */
function sweepWaiting(context: EngineContext): void {
  const nowMs = context.coarseMs;
  for (const flow of context.greeting) {
    if (flow.deadlineMs > nowMs) continue;
    refuse(flow, flow.phase === "hello" ? "hello-timeout" : "handshake-timeout");
  }
  for (const flow of context.connecting) {
    if (flow.deadlineMs <= nowMs) failAttempt(flow);
  }
}

function sweepOpen(context: EngineContext): void {
  for (const flow of context.open) {
    if (flow.deadlineMs <= context.coarseMs) closeFlow(flow);
    else if (isIdle(flow, context.coarseMs)) closeFlow(flow, "ok");
    else if (isAbandoned(flow)) closeByConfig(flow);
    else if (!flow.hasKeepalive && context.coarseMs - flow.acceptedMs > keepaliveAfterMs)
      keepAlive(flow);
  }
}

// A side that said its last word and waits for a peer that says nothing holds two sockets.
const halfClosedMs = 300_000;

// Keepalive costs eight system calls, which most connections do not live long enough to need.
const keepaliveAfterMs = 5_000;
// Below the idle limits of the clouds' load balancers (the shortest is 4 min).
const defaultKeepaliveMs = 60_000;

function keepAlive(flow: Flow): void {
  flow.hasKeepalive = true;
  flow.raw.setKeepAlive(true, defaultKeepaliveMs);
  flow.upRaw?.setKeepAlive(true, flow.pool?.model.keepaliveIdleMs ?? defaultKeepaliveMs);
}

function isIdle(flow: Flow, nowMs: number): boolean {
  const idleTimeoutMs = proxyOf(flow)?.idleTimeoutMs ?? 0;
  const isHalfClosed = flow.down.readableEnded || flow.up?.readableEnded === true;
  const limitMs = isHalfClosed
    ? Math.min(idleTimeoutMs || halfClosedMs, halfClosedMs)
    : idleTimeoutMs;
  return limitMs > 0 && nowMs - flow.lastByteMs > limitMs;
}
