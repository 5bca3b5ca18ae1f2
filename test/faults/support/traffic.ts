import { Agent, request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";

/** Steady requests of one caller, half of them on connections of their own. */
export interface Traffic {
  readonly counts: () => { readonly sent: number; readonly failed: number };
  /** Why requests failed, each reason once. */
  readonly reasons: () => readonly string[];
  readonly stop: () => Promise<void>;
}

const restMs = 20;
const requestTimeoutMs = 10_000;

export function startTraffic(urls: readonly string[]): Traffic {
  const reasons = new Set<string>();
  let sent = 0;
  let failed = 0;
  let isStopped = false;

  const lane = async (url: string, keepAlive: boolean): Promise<void> => {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    while (!isStopped) {
      const failure = await ask(url, agent);
      sent += 1;
      if (failure !== undefined) {
        failed += 1;
        reasons.add(`${url}: ${failure}`);
      }
      await wait(restMs);
    }
    agent.destroy();
  };
  const lanes = urls.flatMap((url) => [lane(url, true), lane(url, false)]);
  return {
    counts: () => ({ sent, failed }),
    reasons: () => [...reasons],
    stop: async () => {
      isStopped = true;
      await Promise.all(lanes);
    },
  };
}

function ask(url: string, agent: Agent): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request(url, { agent }, (answer) => {
      answer.resume();
      answer.on("end", () =>
        resolve(answer.statusCode === 200 ? undefined : `status ${answer.statusCode}`),
      );
      answer.on("error", (error) => resolve(error.message));
    });
    call.setTimeout(requestTimeoutMs, () => call.destroy(new Error("no answer")));
    call.on("error", (error) => resolve(error.message));
    call.end();
  });
}
