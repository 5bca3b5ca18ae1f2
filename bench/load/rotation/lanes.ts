/** Steady requests: one caller asks over a connection that it keeps, another over a new one each time. */
import { get, Agent as HttpAgent } from "node:http";
import { setTimeout as wait } from "node:timers/promises";

export interface Failure {
  readonly url: string;
  readonly isKept: boolean;
  readonly reason: string;
  /** By the monotonic clock of the machine. */
  readonly fromMs: number;
  readonly toMs: number;
}

interface Lane {
  readonly url: string;
  readonly isKept: boolean;
  readonly http: HttpAgent;
}

interface Outcome {
  readonly failure: string | undefined;
  readonly isReused: boolean;
}

export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/** Asks each URL by two callers, so often each, until it is disposed of. */
export class Lanes implements AsyncDisposable {
  answered = 0;
  readonly #everyMs: number;
  readonly #onFailure: (failure: Failure) => void;
  readonly #ending = new AbortController();
  readonly #running: readonly Promise<void>[];

  constructor(
    urls: readonly string[],
    options: { readonly everyMs: number; readonly onFailure: (failure: Failure) => void },
  ) {
    this.#everyMs = options.everyMs;
    this.#onFailure = options.onFailure;
    const lanes = urls.flatMap((url) =>
      [false, true].map((isKept): Lane => {
        const http = new HttpAgent({ keepAlive: isKept, maxSockets: 1 });
        return { url, isKept, http };
      }),
    );
    // Not all in one moment.
    this.#running = lanes.map((lane, index) =>
      this.#call(lane, (this.#everyMs * index) / lanes.length),
    );
  }

  get count(): number {
    return this.#running.length;
  }

  async #call(lane: Lane, afterMs: number): Promise<void> {
    const { signal } = this.#ending;
    await wait(afterMs, undefined, { signal }).catch(() => undefined);
    while (!signal.aborted) {
      const fromMs = machineMs();
      const first = await ask(lane);
      // A kept connection may end at any time: clients repeat what they sent into its end (RFC 9112, 9.3.1).
      const last = first.isReused && first.failure !== undefined ? await ask(lane) : first;
      const toMs = machineMs();
      if (last.failure === undefined) this.answered += 1;
      else this.#onFailure({ ...lane, reason: last.failure, fromMs, toMs });
      const restMs = Math.max(0, this.#everyMs - (toMs - fromMs));
      await wait(restMs, undefined, { signal }).catch(() => undefined);
    }
    lane.http.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#running);
  }
}

export async function isAnswered(url: string): Promise<boolean> {
  const { failure } = await ask({ url, http: new HttpAgent({ keepAlive: false }) });
  return failure === undefined;
}

function ask({ url, http }: Pick<Lane, "url" | "http">): Promise<Outcome> {
  return new Promise((resolve) => {
    const request = get(url, { agent: http, timeout: 10_000 }, (response) => {
      const end = (failure: string | undefined): void =>
        resolve({ failure, isReused: request.reusedSocket });
      response.resume();
      response.on("error", (error) => end(error.message));
      response.on("end", () =>
        end(response.statusCode === 200 ? undefined : `status ${response.statusCode}`),
      );
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 10 s")));
    request.on("error", (error) =>
      resolve({ failure: error.message, isReused: request.reusedSocket }),
    );
  });
}
