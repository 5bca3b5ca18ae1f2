import type { Clock, Random } from "../../../mesh/ports.ts";
import type { FollowChange, FollowRequest } from "../../sources/kubernetes/follower.ts";
import { createFollower } from "../../sources/kubernetes/follower.ts";
import type { ReadProblem } from "../../sources/kubernetes/retry-pace.ts";
import { retryInMs } from "../../sources/kubernetes/retry-pace.ts";
import type { OpenStream, WatchLimits } from "./watch-attempt.ts";
import { attemptWatch } from "./watch-attempt.ts";

export interface WatchReaderOptions {
  readonly open: OpenStream;
  /** `/api/v1/services`; where a server may know one of several, each in turn until one is known. */
  readonly paths: readonly string[];
  /** What changed since the last call; never takes away what a server merely failed to name. */
  readonly onChange: (change: FollowChange) => void;
  /** The status is another one. */
  readonly onStatus: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<WatchLimits>;
}

/** How one list stands. */
export interface WatchStatus {
  /** What is not there does not exist, or did not when the list was last whole. */
  readonly isSynced: boolean;
  /** Changes come in as they happen. */
  readonly isLive: boolean;
  /** Of the last attempt; absent when it went well. */
  readonly problem?: ReadProblem;
  /** Attempts in a row that brought nothing. */
  readonly failures: number;
  /** Answers and lines so far that could not be read. */
  readonly unreadable: number;
  /** The one in use. */
  readonly path: string;
}

/** Follows one list of the API server until it is closed, whatever happens to the server. */
export interface WatchReader {
  readonly start: () => void;
  readonly status: () => WatchStatus;
  /** Ends a pause between two attempts: somebody else found the server alive. */
  readonly hurry: () => void;
  /** Resolves when nothing of it runs any more. */
  readonly close: () => Promise<void>;
}

const defaultLimits: WatchLimits = {
  // Headers come at once, or after 3 s when the server waits for its own cache.
  answerMs: 10_000,
  listSilenceMs: 30_000,
  // Bookmarks come every 60 s.
  watchSilenceMs: 75_000,
  // An API server takes objects of 3 MiB, etcd of 1.5 MiB.
  maxLineBytes: 4 << 20,
  maxPageBytes: 32 << 20,
};
// What lasts for less may be a server that closes at once: the next attempt waits.
const soundMs = 5000;

export function createWatchReader(options: WatchReaderOptions): WatchReader {
  return new Reader(options);
}

class Reader implements WatchReader {
  readonly #options: WatchReaderOptions;
  readonly #limits: WatchLimits;
  readonly #follower = createFollower();
  #path = 0;
  #failures = 0;
  #unreadable = 0;
  #isLive = false;
  #problem: ReadProblem | undefined;
  #isClosed = false;
  #attempt: AbortController | undefined;
  #endPause: (() => void) | undefined;
  #run: Promise<void> | undefined;

  constructor(options: WatchReaderOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  start(): void {
    this.#run ??= this.#follow();
  }

  status(): WatchStatus {
    return {
      isSynced: this.#follower.isSynced(),
      isLive: this.#isLive,
      failures: this.#failures,
      unreadable: this.#unreadable,
      path: this.#pathInUse(),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  hurry(): void {
    this.#endPause?.();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#attempt?.abort();
    this.#endPause?.();
    await this.#run;
  }

  async #follow(): Promise<void> {
    const { clock, random } = this.#options;
    while (!this.#isClosed) {
      const startedMs = clock.monotonicMs();
      const request = this.#follower.begin();
      const problem = await this.#once(request);
      if (this.#isClosed) return;
      const isPage = problem === undefined && request.t === "list-page";
      const isSound = problem === undefined && clock.monotonicMs() - startedMs >= soundMs;
      this.#isLive = false;
      this.#problem = problem;
      if (!isPage) this.#failures = isSound ? 0 : this.#failures + 1;
      if (problem?.t === "refused" && problem.code === 404) this.#path += 1;
      this.#options.onStatus();
      if (isPage || isSound) continue;
      await this.#pause(retryInMs(problem, { failures: this.#failures - 1, random }));
    }
  }

  #once(request: FollowRequest): Promise<ReadProblem | undefined> {
    const { open, random, onStatus } = this.#options;
    const attempt = new AbortController();
    this.#attempt = attempt;
    return attemptWatch(request, {
      open,
      random,
      attempt,
      path: this.#pathInUse(),
      follower: this.#follower,
      limits: this.#limits,
      onChange: (change) => this.#tell(change),
      onLive: () => {
        this.#isLive = true;
        this.#problem = undefined;
        onStatus();
      },
      onUnreadable: (count) => {
        this.#unreadable += count;
      },
    });
  }

  #pathInUse(): string {
    const { paths } = this.#options;
    return paths[this.#path % paths.length] ?? "";
  }

  #tell(change: FollowChange): void {
    const isNews = change.puts.length + change.removed.length > 0;
    if (isNews && !this.#isClosed) this.#options.onChange(change);
  }

  #pause(ms: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#endPause?.(), ms);
      this.#endPause = () => {
        clearTimeout(timer);
        this.#endPause = undefined;
        resolve();
      };
    });
  }
}
