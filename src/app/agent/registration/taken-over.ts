export interface TakenOverOptions {
  /** Whether everything that is known has been made into resources. */
  readonly isBuilt: () => boolean;
  /** Node ids of the proxies that have not answered all they were sent. */
  readonly unansweredBy: () => ReadonlySet<string>;
}

const lookEveryMs = 50;

/**
 * Resolves with nobody when every proxy of this agent has taken what was known when it was called; when the
 * signal aborts, with those that have not.
 */
export function takenOver(
  { isBuilt, unansweredBy }: TakenOverOptions,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return new Promise((resolve) => {
    let looks = 0;
    let late: readonly string[] = [];
    const end = (): void => {
      clearInterval(timer);
      signal.removeEventListener("abort", end);
      resolve(late);
    };
    const look = (): void => {
      if (!isBuilt()) return;
      looks += 1;
      const unanswered = unansweredBy();
      // Built a moment ago: what it changes is sent in the turns after this one.
      if (looks <= 2) late = [...unanswered];
      else late = late.filter((node) => unanswered.has(node));
      if (looks >= 2 && late.length === 0) end();
    };
    const timer = setInterval(look, lookEveryMs);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
