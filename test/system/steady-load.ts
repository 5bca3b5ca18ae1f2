import { setTimeout as wait } from "node:timers/promises";

/** Several lanes of requests, each on a connection of its own, until it is stopped. */
export interface SteadyLoad extends AsyncDisposable {
  /** Resolves when so many more requests were answered or failed. */
  readonly more: (count: number) => Promise<void>;
  readonly stop: () => Promise<LoadResult>;
}

export interface LoadResult {
  readonly answered: number;
  readonly failures: readonly string[];
}

const lanes = 4;
const restMs = 20;
const timeoutMs = 5000;

export function startLoad(url: string): SteadyLoad {
  let answered = 0;
  const failures: string[] = [];
  let isStopped = false;
  const go = async (): Promise<void> => {
    while (!isStopped) {
      await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(timeoutMs) })
        .then((response) => response.text())
        .then(
          () => void (answered += 1),
          (thrown: unknown) =>
            void failures.push(`${new Date().toISOString()} ${reasonOf(thrown)}`),
        );
      await wait(restMs);
    }
  };
  const going = Promise.all(Array.from({ length: lanes }, go));
  const done = (): number => answered + failures.length;
  const stop = async (): Promise<LoadResult> => {
    isStopped = true;
    await going;
    return { answered, failures };
  };
  return {
    more: async (count) => {
      const wanted = done() + count;
      while (done() < wanted) await wait(restMs);
    },
    stop,
    // A test that fails must not leave it running.
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown;
  return String(cause);
}
