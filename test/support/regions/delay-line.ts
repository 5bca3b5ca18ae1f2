import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { LinkState } from "./regions.ts";

interface End {
  readonly namespace: string;
  readonly device: string;
}

/** The process that carries packets between regions; see `delay-line.c`. */
export interface DelayLine {
  /** Resolves when it is in force. */
  readonly order: (name: string, state: LinkState & { readonly cut: number }) => Promise<void>;
  readonly end: () => Promise<void>;
}

export async function startDelayLine(
  program: string,
  links: readonly { readonly name: string; readonly a: End; readonly b: End }[],
): Promise<DelayLine> {
  const words = links.flatMap(({ name, a, b }) => [
    name,
    a.namespace,
    a.device,
    b.namespace,
    b.device,
  ]);
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const answers: ((line: string) => void)[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => answers.shift()?.(line));
  const answer = (): Promise<string> =>
    new Promise((resolve, reject) => {
      answers.push(resolve);
      void exited.then(() => reject(new Error("The delay line ended")));
    });
  const ready = answer();
  ready.catch(() => {});
  await ready;
  return {
    order: async (name, { rttMs, jitterMs, lossRatio, rateMbit, cut }) => {
      const numbers = [(rttMs / 2) * 1000, jitterMs * 1000, lossRatio * 1e6, rateMbit * 1000, cut];
      const done = answer();
      child.stdin.write(`${[name, ...numbers.map(Math.round)].join(" ")}\n`);
      await done;
    },
    end: async () => {
      child.stdin.end();
      await exited;
    },
  };
}
