import { MeshError } from "../mesh/errors.ts";
import type { Log } from "../mesh/ports.ts";

/** Something that runs until it is told to end. */
export interface Stoppable {
  readonly stop: (options: { readonly deadlineMs: number }) => Promise<void>;
}

// Kubernetes kills after 30 s; five of them are kept for what is written last.
const defaultDeadlineMs = 25_000;
const signals = ["SIGTERM", "SIGINT"] as const;

/**
 * Runs a service of this process until SIGTERM or SIGINT, then ends it in good order. A second signal
 * ends it at once. Whatever nobody caught ends the process too: its state is unknown. Returns the exit
 * code; throws what `start` throws.
 */
export async function runService(
  start: (signal: AbortSignal) => Promise<Stoppable>,
  options: { readonly log: Log; readonly deadlineMs?: number },
): Promise<number> {
  const { log } = options;
  const ended = Promise.withResolvers<number>();
  const starting = new AbortController();
  let hasAsked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    log.info({ signal }, hasAsked ? "Ends at once" : "Ends in good order");
    if (hasAsked) process.exit(1);
    hasAsked = true;
    starting.abort(new MeshError("MESH_USAGE", "Cannot start: told to end"));
    ended.resolve(0);
  };
  const onLost = (thrown: unknown): void => {
    log.error({ err: thrown }, "Ends because of an error that nobody caught");
    ended.resolve(1);
  };
  for (const signal of signals) process.on(signal, onSignal);
  process.on("uncaughtException", onLost);
  process.on("unhandledRejection", onLost);
  // Waiting holds no process alive (see `realTimers`): with every port closed and every hub away, nothing
  // would, and Node would end with 13 in the middle of a good end.
  const alive = setInterval(() => undefined, 60_000);
  try {
    const running = await start(starting.signal).catch((thrown: unknown) => {
      if (hasAsked) return undefined;
      throw thrown;
    });
    const code = await ended.promise;
    await running?.stop({ deadlineMs: options.deadlineMs ?? defaultDeadlineMs });
    log.info({}, "Ended");
    return code;
  } finally {
    clearInterval(alive);
    for (const signal of signals) process.off(signal, onSignal);
    process.off("uncaughtException", onLost);
    process.off("unhandledRejection", onLost);
  }
}
