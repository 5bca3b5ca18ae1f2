import type { Terminal } from "../command.ts";

export interface LivePage {
  /** Gives the whole page; what it throws ends the page and is thrown on. */
  readonly draw: () => Promise<string>;
  readonly everyMs: number;
}

const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const clearLine = "\u001b[K";
const clearBelow = "\u001b[J";
const endingKeys: readonly string[] = ["q", "\u0003", "\u001b"];

/**
 * Draws a page over and over until `q`, Escape or Ctrl-C, on a screen of its own: what was in the window
 * before is there again afterwards.
 */
export async function runLivePage(page: LivePage, terminal: Pick<Terminal, "out">): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  const onKey = (key: Buffer): void => {
    if (endingKeys.includes(key.toString())) end();
  };
  // Before the screen changes: the first failure is told where it is seen.
  const first = await page.draw();
  const { stdin } = process;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  if (stdin.isTTY) stdin.setRawMode(true).on("data", onKey).resume();
  terminal.out(enter);
  try {
    for (let text = first; !ending.signal.aborted; text = await page.draw()) {
      // Line by line instead of wiping all first: nothing flickers.
      terminal.out(`${home}${text.replaceAll("\n", `${clearLine}\n`)}${clearBelow}`);
      await pause(page.everyMs, ending.signal);
    }
  } finally {
    terminal.out(leave);
    if (stdin.isTTY) stdin.setRawMode(false).off("data", onKey).pause();
  }
}

/** Resolves early when told to end. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
  });
}
