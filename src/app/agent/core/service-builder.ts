import { reasonOf } from "../../../mesh/errors.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { Telemetry } from "../../../telemetry/registry.ts";
import { createMergeQueue } from "./merge-queue.ts";

/** Builds the resources of services that changed, in turns that leave room for probes and streams. */
export interface ServiceBuilder {
  readonly add: (ids: Iterable<ServiceId>) => void;
  /** For use when more is about to be added: all of it is built as soon as that is done. */
  readonly flushSoon: () => void;
  readonly isIdle: () => boolean;
  /** Services that could not be built. */
  readonly findings: () => Iterable<Finding>;
}

// One turn of the event loop merges so many services: probes and streams go on in between.
const mergeSlice = 64;

export function createServiceBuilder(options: {
  readonly build: (id: ServiceId) => void;
  /** Nothing is left to be built. */
  readonly onIdle: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly telemetry: Telemetry;
}): ServiceBuilder {
  const { clock, log, telemetry } = options;
  const broken = new Map<ServiceId, Finding>();
  let isFlushNear = false;

  /** A defect that one service brings to light must not end the others. */
  const build = (id: ServiceId): void => {
    try {
      options.build(id);
      broken.delete(id);
    } catch (thrown) {
      log.error({ err: thrown, service: id }, "Service could not be built");
      broken.set(id, {
        code: "PROXY_SERVICE_BROKEN",
        severity: "error",
        subject: id,
        message: `proxies keep what they were told of it: ${reasonOf(thrown)}`,
      });
    }
  };
  const waiting = createMergeQueue<ServiceId>({
    handle: build,
    schedule: () => setImmediate(flush),
  });
  const flush = (): void => {
    if (waiting.isEmpty()) return;
    const startMs = clock.monotonicMs();
    const isMoreWaiting = waiting.flush(mergeSlice);
    telemetry.observe("changeSeconds", {}, (clock.monotonicMs() - startMs) / 1000);
    if (isMoreWaiting) setImmediate(flush);
    else options.onIdle();
  };

  return {
    add: waiting.add,
    flushSoon: () => {
      if (isFlushNear) return;
      isFlushNear = true;
      queueMicrotask(() => {
        isFlushNear = false;
        flush();
      });
    },
    isIdle: waiting.isEmpty,
    findings: () => broken.values(),
  };
}
