import { get } from "node:http";
import { connect } from "node:net";
import type { Clock } from "../../../mesh/ports.ts";
import type { HealthProbe } from "../../../mesh/service.ts";
import type { ProbeOutcome } from "../../sources/health.ts";

export interface ProbeTarget {
  /** IP literal. */
  readonly address: string;
  readonly probe: HealthProbe;
}

export interface ProbeLimits {
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

// A timer that fires later than this share of the timeout tells of a busy process, not of the workload.
const maxLagRatio = 0.2;

/** Asks one workload once, over a connection of its own. It never rejects. */
export function probeWorkload(target: ProbeTarget, limits: ProbeLimits): Promise<ProbeOutcome> {
  const { timeoutMs, clock, signal } = limits;
  const startMs = clock.monotonicMs();
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve("void");
      return;
    }
    const attempt = target.probe.t === "tcp" ? tcpAttempt(target) : httpAttempt(target);
    const finish = (outcome: ProbeOutcome): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      attempt.cancel();
      resolve(outcome);
    };
    const onAbort = (): void => finish("void");
    const timer = setTimeout(() => {
      const lagMs = clock.monotonicMs() - startMs - timeoutMs;
      finish(lagMs > timeoutMs * maxLagRatio ? "void" : "failed");
    }, timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    attempt.done(finish);
  });
}

interface Attempt {
  readonly done: (finish: (outcome: ProbeOutcome) => void) => void;
  readonly cancel: () => void;
}

function tcpAttempt({ address, probe }: ProbeTarget): Attempt {
  const socket = connect({ host: address, port: probe.port });
  return {
    done(finish) {
      socket.once("connect", () => finish("ok"));
      socket.on("error", () => finish("failed"));
    },
    cancel: () => socket.destroy(),
  };
}

/** 200 to 399 is healthy, as for a Kubernetes probe; the body is not read. */
function httpAttempt({ address, probe }: ProbeTarget): Attempt {
  const path = probe.t === "http" ? probe.path : "/";
  const headers = { "user-agent": "isthmus-probe", connection: "close" };
  const request = get({ host: address, port: probe.port, path, headers, agent: false });
  return {
    done(finish) {
      request.once("response", ({ statusCode = 0 }) => {
        finish(statusCode >= 200 && statusCode < 400 ? "ok" : "failed");
      });
      request.on("error", () => finish("failed"));
    },
    cancel: () => request.destroy(),
  };
}
