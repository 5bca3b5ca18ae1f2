import { Agent, request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";

export interface Answer {
  /** `MEMBER/POD`, as the application says. */
  readonly name: string;
  /** SPIFFE ID that its sidecar proved of the caller's; empty where nothing reads HTTP on the way. */
  readonly caller: string;
}

/** One request of a phase. */
export interface Sample {
  readonly atMs: number;
  readonly tookMs: number;
  readonly answer?: Answer;
  readonly failure?: string;
}

const everyMs = 10;
const connections = 8;
const patienceMs = 10_000;
const limitMs = 60_000;
/** Answers in a row that are no accident. */
const enough = 20;

/** Requests without pause to one local port, as a frontend makes them. */
export class Caller implements AsyncDisposable {
  readonly samples: Sample[] = [];
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: connections });
  readonly #pending = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;

  constructor(url: string) {
    this.#url = url;
    this.#running = this.#run();
  }

  /** Until the latest answers are all as wanted; how long after `sinceMs` the first of them was asked for. */
  async until(
    what: string,
    { sinceMs, isWanted }: { readonly sinceMs: number; readonly isWanted: (a: Answer) => boolean },
  ): Promise<number> {
    const isGood = ({ answer }: Sample): boolean => answer !== undefined && isWanted(answer);
    const endMs = performance.now() + limitMs;
    while (performance.now() < endMs) {
      const since = this.samples.filter(({ atMs }) => atMs >= sinceMs);
      const good = since.slice(since.findLastIndex((one) => !isGood(one)) + 1);
      if (good.length >= enough) return (good[0]?.atMs ?? sinceMs) - sinceMs;
      await wait(everyMs);
    }
    throw new Error(`It never came true: ${what}; last: ${JSON.stringify(this.samples.at(-1))}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#running;
    await Promise.all(this.#pending);
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      if (this.#pending.size < connections) {
        const one = this.#ask().finally(() => this.#pending.delete(one));
        this.#pending.add(one);
      }
      await wait(everyMs);
    }
  }

  async #ask(): Promise<void> {
    const atMs = performance.now();
    const result = await get(this.#url, this.#agent);
    this.samples.push({ atMs, tookMs: performance.now() - atMs, ...result });
  }
}

function get(url: string, agent: Agent): Promise<Pick<Sample, "answer" | "failure">> {
  return new Promise((resolve) => {
    const asked = request(url, { agent, timeout: patienceMs }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", (error) => resolve({ failure: error.message }));
      response.on("end", () =>
        resolve(
          response.statusCode === 200
            ? { answer: JSON.parse(text) as Answer }
            : { failure: `status ${response.statusCode}: ${text.slice(0, 200)}` },
        ),
      );
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", (error) => resolve({ failure: error.message }));
    asked.end();
  });
}
