import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";

/** One request on a connection of its own; the answer's text. Throws when a proxy answered instead. */
async function ask(url: string): Promise<string> {
  const response = await fetch(url, { headers: { connection: "close" } });
  const text = (await response.text()).trim();
  if (response.status === 503) throw new Error(`a proxy answers: ${text}`);
  return text;
}

/** Asks until the answer is the wanted one; every answer on the way must be one of the allowed. */
export async function askUntil(
  url: string,
  wanted: string,
  options: { readonly allowed: readonly string[]; readonly mayFail?: boolean },
): Promise<void> {
  for (let asked = 0; asked < 1000; asked += 1) {
    const answer = await ask(url).catch((thrown: unknown) => {
      if (options.mayFail === true) return "failed";
      throw thrown;
    });
    if (answer === wanted) return;
    assert.ok(answer === "failed" || options.allowed.includes(answer), `answered by ${answer}`);
    await wait(10);
  }
  assert.fail(`never answered by ${wanted}`);
}

// At least 30 s: a proxy may take 15 s to leave an agent that hangs.
const maxLooks = 3000;

/** Asks an agent until its answer is as wanted. */
export async function until<Answer>(
  url: string,
  isWanted: (answer: Answer) => boolean,
): Promise<Answer> {
  for (let asked = 0; asked < maxLooks; asked += 1) {
    const response = await fetch(url);
    const answer = (await response.json()) as Answer;
    if (isWanted(answer)) return answer;
    await wait(10);
  }
  assert.fail(`${url} never answered as wanted`);
}
