import { reasonOf } from "../../../mesh/errors.ts";
import type { Clock, Random } from "../../../mesh/ports.ts";
import { createChangeBatch } from "../../sources/kubernetes/change-batch.ts";
import type { FollowChange, FollowRequest } from "../../sources/kubernetes/follower.ts";
import { createFollower } from "../../sources/kubernetes/follower.ts";
import type { Line } from "../../sources/kubernetes/line-splitter.ts";
import { createLineSplitter } from "../../sources/kubernetes/line-splitter.ts";
import type { ReadProblem } from "../../sources/kubernetes/retry-pace.ts";
import { retryInMs } from "../../sources/kubernetes/retry-pace.ts";
import {
  readListPage,
  readStatusMessage,
  readWatchEvent,
} from "../../sources/kubernetes/watch-event.ts";

/** One GET of the API server whose body comes as it is written. Throws when there is no answer. */
export type OpenStream = (
  path: string,
  options: { readonly signal: AbortSignal },
) => Promise<ApiStream>;

export interface ApiStream {
  readonly status: number;
  readonly retryAfterMs?: number;
  readonly body: AsyncIterable<Uint8Array>;
}

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

export interface WatchLimits {
  readonly answerMs: number;
  readonly listSilenceMs: number;
  /** Moved by up to a fifth upwards. */
  readonly watchSilenceMs: number;
  readonly maxLineBytes: number;
  readonly maxPageBytes: number;
}

export const watchLimits: WatchLimits = {
  // Headers come at once, or after 3 s when the server waits for its own cache.
  answerMs: 10_000,
  listSilenceMs: 30_000,
  // Bookmarks come every 60 s.
  watchSilenceMs: 75_000,
  // An API server takes objects of 3 MiB, etcd of 1.5 MiB.
  maxLineBytes: 4 << 20,
  maxPageBytes: 32 << 20,
};

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
  /** The path in use. */
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

export function createWatchReader(options: WatchReaderOptions): WatchReader {
  return new Reader(options);
}

// The server ends watches after this time, so that connections spread over its replicas again.
const watchSeconds = { min: 300, spread: 300 } as const;
// What lasts for less may be a server that closes at once: the next attempt waits.
const soundMs = 5000;
const maxReasonBytes = 65_536;

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
    this.#limits = { ...watchLimits, ...options.limits };
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
      path: this.#pathText(),
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

  #pathText(): string {
    return this.#options.paths[this.#path % this.#options.paths.length] ?? "";
  }

  async #follow(): Promise<void> {
    const { clock, random } = this.#options;
    while (!this.#isClosed) {
      const startedMs = clock.monotonicMs();
      const request = this.#follower.begin();
      const problem = await this.#once(request);
      if (this.#isClosed) return;
      this.#isLive = false;
      const isPage = problem === undefined && request.t === "list-page";
      const isSound = problem === undefined && clock.monotonicMs() - startedMs >= soundMs;
      if (!isPage) this.#failures = isSound ? 0 : this.#failures + 1;
      this.#problem = problem;
      if (problem?.t === "refused" && problem.code === 404) this.#path += 1;
      this.#options.onStatus();
      if (isPage || isSound) continue;
      await this.#pause(retryInMs(problem, { failures: this.#failures - 1, random }));
    }
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

  /** One request to its end; answers what was wrong with it. */
  async #once(request: FollowRequest): Promise<ReadProblem | undefined> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const watchdog = new Watchdog(attempt, this.#limits.answerMs);
    try {
      const url = `${this.#pathText()}?${this.#queryOf(request)}`;
      const answer = await this.#options.open(url, { signal: attempt.signal });
      watchdog.expectWithin(this.#limits.listSilenceMs);
      if (answer.status !== 200) return await this.#refused(answer);
      return request.t === "list-page"
        ? await this.#readPage(answer, watchdog)
        : await this.#readStream(answer, watchdog);
    } catch (thrown) {
      const reason = watchdog.reason() ?? reasonOf(thrown);
      return { t: "unreachable", reason };
    } finally {
      watchdog.stop();
      // A body that was not read to its end keeps its connection otherwise.
      attempt.abort();
    }
  }

  #queryOf(request: FollowRequest): URLSearchParams {
    switch (request.t) {
      case "list-page": {
        const { limit, token } = request;
        const query = { limit: String(limit), ...(token === undefined ? {} : { continue: token }) };
        return new URLSearchParams(query);
      }
      case "list-stream":
        return new URLSearchParams({
          ...this.#watchQuery(),
          sendInitialEvents: "true",
          resourceVersionMatch: "NotOlderThan",
        });
      case "watch":
        return new URLSearchParams({ ...this.#watchQuery(), resourceVersion: request.version });
    }
  }

  #watchQuery(): Record<string, string> {
    const seconds = watchSeconds.min + Math.floor(this.#options.random() * watchSeconds.spread);
    return { watch: "1", allowWatchBookmarks: "true", timeoutSeconds: String(seconds) };
  }

  async #refused(answer: ApiStream): Promise<ReadProblem> {
    const { status: code, retryAfterMs } = answer;
    const text = (await textWithin(answer.body, maxReasonBytes)) ?? "";
    const message = readStatusMessage(text) ?? `HTTP status ${code}`;
    this.#follower.refused(code);
    return { t: "refused", code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }

  async #readPage(answer: ApiStream, watchdog: Watchdog): Promise<ReadProblem | undefined> {
    const text = await textWithin(watchdog.heard(answer.body), this.#limits.maxPageBytes);
    if (text === undefined) {
      this.#follower.tooLarge();
      return { t: "unreachable", reason: "a page of the list is too large" };
    }
    const page = readListPage(text);
    if (page === undefined) {
      this.#unreadable += 1;
      return { t: "unreachable", reason: "its answer is no list" };
    }
    this.#unreadable += page.unreadable;
    this.#tell(this.#follower.takePage(page));
    return undefined;
  }

  async #readStream(answer: ApiStream, watchdog: Watchdog): Promise<ReadProblem | undefined> {
    const splitter = createLineSplitter(this.#limits.maxLineBytes);
    this.#judgeLive(watchdog);
    for await (const chunk of watchdog.heard(answer.body)) {
      const problem = this.#takeLines(splitter.push(chunk));
      if (problem !== undefined) return problem;
      this.#judgeLive(watchdog);
    }
    return this.#follower.isListing()
      ? { t: "unreachable", reason: "the list broke off" }
      : undefined;
  }

  /** All lines that came at once are one change. */
  #takeLines(lines: readonly Line[]): ReadProblem | undefined {
    const batch = createChangeBatch();
    let problem: ReadProblem | undefined;
    for (const line of lines) {
      const event =
        line.t === "line"
          ? readWatchEvent(line.text)
          : ({ t: "unreadable", reason: `it has ${line.bytes} bytes` } as const);
      if (event.t === "unreadable") this.#unreadable += 1;
      if (event.t === "error") {
        this.#follower.refused(event.code);
        problem = { t: "refused", code: event.code, message: event.message };
        break;
      }
      batch.add(this.#follower.take(event));
    }
    this.#tell(batch.take());
    return problem;
  }

  #judgeLive(watchdog: Watchdog): void {
    if (this.#isLive || this.#follower.isListing()) return;
    this.#isLive = true;
    this.#problem = undefined;
    watchdog.expectWithin(this.#limits.watchSilenceMs * (1 + this.#options.random() / 5));
    this.#options.onStatus();
  }

  #tell(change: FollowChange): void {
    if (change.puts.length + change.removed.length > 0) this.#options.onChange(change);
  }
}

/** Ends an attempt that nothing is heard of. */
class Watchdog {
  readonly #attempt: AbortController;
  #timer: NodeJS.Timeout;
  #limitMs: number;
  #hasBitten = false;

  constructor(attempt: AbortController, limitMs: number) {
    this.#attempt = attempt;
    this.#limitMs = limitMs;
    this.#timer = this.#arm();
  }

  /** From now on, and again from each sign of life. */
  expectWithin(limitMs: number): void {
    this.#limitMs = limitMs;
    clearTimeout(this.#timer);
    this.#timer = this.#arm();
  }

  async *heard(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#timer.refresh();
      yield chunk;
    }
  }

  reason(): string | undefined {
    return this.#hasBitten ? `nothing was heard for ${Math.round(this.#limitMs)} ms` : undefined;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#hasBitten = true;
      this.#attempt.abort();
    }, this.#limitMs);
  }
}

/** Undefined when the body is longer. */
async function textWithin(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > maxBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
