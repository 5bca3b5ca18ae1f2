/** One line for each step as it is done: how long it took, and what came of it. */
export class Steps {
  readonly done: { readonly what: string; readonly tookMs: number; readonly text: string }[] = [];

  /** Prints what the step returns where that is text, or has some. */
  async do<Result>(what: string, step: () => Promise<Result>): Promise<Result> {
    const startMs = performance.now();
    process.stdout.write(`${String(this.done.length + 1).padStart(2)}  ${what.padEnd(70)}`);
    const result = await step().catch((thrown: unknown) => {
      process.stdout.write(" failed\n");
      throw thrown;
    });
    const tookMs = Math.round(performance.now() - startMs);
    const text = textOf(result);
    this.done.push({ what, tookMs, text });
    const seconds = `${(tookMs / 1000).toFixed(1)} s`.padStart(7);
    process.stdout.write(` ${seconds}\n${text === "" ? "" : `    ${text}\n`}`);
    return result;
  }
}

function textOf(result: unknown): string {
  if (typeof result === "string") return result;
  const isSpoken = typeof result === "object" && result !== null && "text" in result;
  return isSpoken ? String(result.text) : "";
}
