import { Agent, get } from "node:http";

/** Requests that never stop: each caller asks again as soon as it is answered, or after a pause. */
export class SteadyLoad implements AsyncDisposable {
  answered = 0;
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
      return this.#call(agent, isKept ? options.pauseMs : 2);
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
      try {
        await ask(this.#url, agent);
        this.answered += 1;
      } catch (thrown) {
        this.failures.push(String(thrown));
      }
      await pause(pauseMs);
    }
  }
}

function ask(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const request = get(url, { agent, timeout: 5_000 }, (response) => {
      response.resume();
      response.on("end", resolve);
      response.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 5 s")));
    request.on("error", (error) => {
      const tookMs = Math.round(performance.now() - startMs);
      const kind = request.reusedSocket ? "kept" : "new";
      reject(new Error(`${error.message} on a ${kind} connection after ${tookMs} ms`));
    });
  });
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
