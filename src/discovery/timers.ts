/** Waiting as an argument. */
export interface Timers {
  /** Runs once after so many ms unless cancelled by the returned function. */
  readonly after: (delayMs: number, run: () => void) => () => void;
}
