import { setTimeout as wait } from "node:timers/promises";
import type { HealthCheck, HealthProbe } from "../../../mesh/health-check.ts";
import type { Clock } from "../../../mesh/ports.ts";
import { dialLocal } from "../../dial.ts";
import { probeExec } from "./exec-probe.ts";
import { probeGrpc } from "./grpc-probe.ts";
import { createHealthJudge, type ProbeOutcome, type WorkloadHealth } from "./health-judge.ts";
import { probeHttp } from "./http-probe.ts";

export interface HealthChecksOptions {
  readonly check: HealthCheck;
  /** Whether whoever keeps this machine lets the mesh name programs to run here. */
  readonly isExecAllowed: boolean;
  readonly clock: Clock;
  /** Called with the first finding and with each change after it, never twice with the same. */
  readonly onChange: (health: WorkloadHealth) => void;
}

/** Probes at once, then once a period, never two at a time, until it is disposed of. */
export function startHealthChecks(options: HealthChecksOptions): AsyncDisposable {
  const ending = new AbortController();
  const running = probeOverAndOver(options, ending.signal);
  return {
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await running;
    },
  };
}

async function probeOverAndOver(options: HealthChecksOptions, signal: AbortSignal): Promise<void> {
  const { check, clock, onChange } = options;
  const judge = createHealthJudge(check);
  while (!signal.aborted) {
    const startMs = clock.monotonicMs();
    const timeout = AbortSignal.timeout(check.timeoutMs);
    const outcome = await probe(options, AbortSignal.any([signal, timeout]));
    // What was cut short because all ends says nothing of the workload.
    if (signal.aborted) return;
    const change = judge(outcome);
    if (change !== undefined) onChange(change);
    const restMs = Math.max(0, check.periodMs - (clock.monotonicMs() - startMs));
    await wait(restMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

async function probe(
  { check, isExecAllowed }: HealthChecksOptions,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const { probe: asked } = check;
  switch (asked.t) {
    case "http":
      return probeHttp(asked, signal);
    case "tcp":
      return probeTcp(asked, signal);
    case "grpc":
      return probeGrpc(asked, signal);
    case "exec":
      return isExecAllowed ? probeExec(asked.command, signal) : execRefused;
  }
}

async function probeTcp(
  { port }: Extract<HealthProbe, { t: "tcp" }>,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const door = await dialLocal(port, signal);
  return door.t === "open" ? { t: "passed" } : { t: "failed", reason: door.reason };
}

const execRefused: ProbeOutcome = {
  t: "failed",
  reason:
    "the group's health check is a program, and this VM runs none that the mesh names; join with --allow-exec to let it",
};
