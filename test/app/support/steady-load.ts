import { Agent, get } from "node:http";

/** Requests that never stop: each caller asks again as soon as it is answered, or after a pause. */
export class SteadyLoad implements AsyncDisposable {
  answered = 0;
  /** Of those, sent again because a kept connection had ended. */
  repeated = 0;
  readonly failures: string[] = [];
  readonly #url: string;
  readonly #agents: Agent[] = [];
  readonly #callers: Promise<void>[];
  #isOver = false;

  /** Half of the callers open a connection for each request, half keep one and pause between requests. */
  constructor(url: string, options: { readonly callers: number; readonly pauseMs: number }) {
    this.#url = url;
    this.#callers = Array.from({ length: options.callers }, (_, index) => {
      const isKept = index % 2 === 1;
      const agent = new Agent({ keepAlive: isKept, maxSockets: 1 });
      this.#agents.push(agent);
      return this.#call(agent, isKept ? options.pauseMs : 10);
    });
  }

  /** Resolves when so many more requests were answered. */
  async more(count: number): Promise<void> {
    const wanted = this.answered + count;
    while (this.answered < wanted && this.failures.length === 0) await pause(5);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#callers);
    for (const agent of this.#agents) agent.destroy();
  }

  async #call(agent: Agent, pauseMs: number): Promise<void> {
    while (!this.#isOver) {
      const first = await ask(this.#url, agent);
      // A kept connection may end at any time: clients repeat what they sent into its end (RFC 9112, 9.3.1).
      const last = first.t === "failed" && first.isKept ? await ask(this.#url, agent) : first;
      if (last !== first) this.repeated += 1;
      if (last.t === "answered") this.answered += 1;
      else this.failures.push(last.reason);
      await pause(pauseMs);
    }
  }
}

type Outcome =
  | { readonly t: "answered" }
  | { readonly t: "failed"; readonly reason: string; readonly isKept: boolean };

function ask(url: string, agent: Agent): Promise<Outcome> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    const fail = (error: Error): void => {
      const tookMs = Math.round(performance.now() - startMs);
      const isKept = request.reusedSocket;
      const kind = isKept ? "kept" : "new";
      resolve({
        t: "failed",
        isKept,
        reason: `${error.message} on a ${kind} connection after ${tookMs} ms`,
      });
    };
    const request = get(url, { agent, timeout: 5_000 }, (response) => {
      response.resume();
      response.on("end", () => resolve({ t: "answered" }));
      response.on("error", fail);
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 5 s")));
    request.on("error", fail);
  });
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
