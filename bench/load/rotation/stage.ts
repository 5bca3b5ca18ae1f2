/** Members and callers as processes, and what they said of themselves. */
import { fileURLToPath } from "node:url";
import { forkHere, ToldProcess } from "../../../test/support/told-process.ts";
import { type Failure, machineMs } from "./lanes.ts";
import type { FromPart, PartOrder, ToPart } from "./part.ts";

const partFile = fileURLToPath(new URL("part.ts", import.meta.url));

interface Said {
  readonly part: string;
  readonly atMs: number;
  readonly late?: number;
  readonly text?: string;
}

export class Part extends ToldProcess<ToPart, FromPart> {
  async done(message: ToPart): Promise<void> {
    const done = this.hear("done");
    this.tell(message);
    await done;
  }
}

/** What happened when, in all processes of a run. */
export class Journal {
  readonly #said: Said[] = [];
  #step = "";
  #stepMs = machineMs();

  /** From now on. */
  step(name: string): void {
    this.#step = name;
    this.#stepMs = machineMs();
    this.#said.push({ part: "root", atMs: this.#stepMs, text: `step ${name}` });
  }

  start(name: string, order: PartOrder): Part {
    const child = forkHere(partFile);
    child.on("message", (message: FromPart) => {
      if (message.t === "late")
        this.#said.push({ part: name, atMs: message.atMs, late: message.ms });
      if (message.t === "warned") this.#said.push({ part: name, ...message });
    });
    const part = new Part(child);
    part.tell({ t: "start", order });
    return part;
  }

  /** When in the rotation a request failed, and which processes were late meanwhile. */
  describe({ url, isKept, reason, fromMs, toMs }: Failure): string {
    const near = this.#said.filter(({ atMs }) => atMs > fromMs - 1000 && atMs < toMs + 200);
    const worst = new Map<string, number>();
    for (const { part, late = 0 } of near) {
      if (late > 0) worst.set(part, Math.max(worst.get(part) ?? 0, Math.round(late)));
    }
    const late = [...worst].map(([part, ms]) => `${part} ${ms} ms`).join(", ") || "nobody";
    const sinceMs = Math.round(toMs - this.#stepMs);
    const what = `${url} ${isKept ? "kept" : "new"}: ${reason} after ${Math.round(toMs - fromMs)} ms`;
    return `${what}; ${sinceMs} ms into ${this.#step}; late: ${late}`;
  }

  /** All of it, one line each, in order. */
  lines(): readonly string[] {
    const [first] = this.#said;
    return this.#said
      .toSorted((a, b) => a.atMs - b.atMs)
      .map(({ part, atMs, late, text }) => {
        const at = Math.round(atMs - (first?.atMs ?? 0));
        return `${at} ${part} ${text ?? `late by ${Math.round(late ?? 0)} ms`}`;
      });
  }

  worstLateMs(): number {
    return Math.max(0, ...this.#said.map(({ late = 0 }) => late));
  }
}
