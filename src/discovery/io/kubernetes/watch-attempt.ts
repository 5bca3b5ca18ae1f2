import { reasonOf } from "../../../mesh/errors.ts";
import type { Random } from "../../../mesh/ports.ts";
import { createChangeBatch } from "../../sources/kubernetes/change-batch.ts";
import type { FollowChange, Follower, FollowRequest } from "../../sources/kubernetes/follower.ts";
import type { Line } from "../../sources/kubernetes/line-splitter.ts";
import { createLineSplitter } from "../../sources/kubernetes/line-splitter.ts";
import type { ReadProblem } from "../../sources/kubernetes/retry-pace.ts";
import {
  readListPage,
  readStatusMessage,
  readWatchEvent,
} from "../../sources/kubernetes/watch-event.ts";
import { watchQuery } from "../../sources/kubernetes/watch-query.ts";
import { Watchdog } from "./watchdog.ts";

/** One GET of the API server whose body comes as it is written. Throws when there is no answer. */
export type OpenStream = (
  path: string,
  options: { readonly signal: AbortSignal },
) => Promise<ApiStream>;

export interface ApiStream {
  readonly status: number;
  /** What the server asks for. */
  readonly retryAfterMs?: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface WatchLimits {
  readonly answerMs: number;
  readonly listSilenceMs: number;
  /** Moved by up to a fifth upwards. */
  readonly watchSilenceMs: number;
  readonly maxLineBytes: number;
  readonly maxPageBytes: number;
}

export interface AttemptOptions {
  readonly open: OpenStream;
  readonly path: string;
  readonly follower: Follower;
  readonly limits: WatchLimits;
  readonly random: Random;
  readonly onChange: (change: FollowChange) => void;
  /** Called once: from now on changes come in as they happen. */
  readonly onLive: () => void;
  readonly onUnreadable: (count: number) => void;
}

const maxReasonBytes = 65_536;

/** One request, from its sending to the end of the answer; returns what was wrong with it. */
export async function attemptWatch(
  request: FollowRequest,
  options: AttemptOptions & { readonly attempt: AbortController },
): Promise<ReadProblem | undefined> {
  const { open, path, limits, attempt, random } = options;
  using watchdog = new Watchdog(attempt, limits.answerMs);
  try {
    const url = `${path}?${watchQuery(request, random)}`;
    const answer = await open(url, { signal: attempt.signal });
    watchdog.expectWithin(limits.listSilenceMs);
    if (answer.status !== 200) return await readRefusal(answer, options.follower);
    const body = watchdog.heard(answer.body);
    return request.t === "list-page"
      ? await readPage(body, options)
      : await readStream(body, { ...options, watchdog });
  } catch (thrown) {
    return { t: "unreachable", reason: watchdog.reason() ?? reasonOf(thrown) };
  } finally {
    // A body that was not read to its end keeps its connection otherwise.
    attempt.abort();
  }
}

async function readRefusal(answer: ApiStream, follower: Follower): Promise<ReadProblem> {
  const { status: code, retryAfterMs } = answer;
  const text = (await textWithin(answer.body, maxReasonBytes)) ?? "";
  const message = readStatusMessage(text) ?? `HTTP status ${code}`;
  follower.refused(code);
  return { t: "refused", code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

type Body = AsyncIterable<Uint8Array>;

async function readPage(body: Body, options: AttemptOptions): Promise<ReadProblem | undefined> {
  const { follower, limits } = options;
  const text = await textWithin(body, limits.maxPageBytes);
  if (text === undefined) {
    follower.tooLarge();
    return { t: "unreachable", reason: "a page of the list is too large" };
  }
  const page = readListPage(text);
  if (page === undefined) {
    options.onUnreadable(1);
    return { t: "unreachable", reason: "its answer is no list" };
  }
  options.onUnreadable(page.unreadable);
  options.onChange(follower.takePage(page));
  return undefined;
}

async function readStream(
  body: Body,
  options: AttemptOptions & { readonly watchdog: Watchdog },
): Promise<ReadProblem | undefined> {
  const { follower, limits, watchdog, random } = options;
  const splitter = createLineSplitter(limits.maxLineBytes);
  let isLive = false;
  const judge = (): void => {
    if (isLive || follower.isListing()) return;
    isLive = true;
    watchdog.expectWithin(limits.watchSilenceMs * (1 + random() / 5));
    options.onLive();
  };
  judge();
  for await (const chunk of body) {
    const problem = takeLines(splitter.push(chunk), options);
    if (problem !== undefined) return problem;
    judge();
  }
  return isLive ? undefined : { t: "unreachable", reason: "the list broke off" };
}

/** All lines that came at once are one change. */
function takeLines(lines: readonly Line[], options: AttemptOptions): ReadProblem | undefined {
  const { follower } = options;
  const batch = createChangeBatch();
  let unreadable = 0;
  let problem: ReadProblem | undefined;
  for (const line of lines) {
    const event =
      line.t === "line"
        ? readWatchEvent(line.text)
        : ({ t: "unreadable", reason: `it has ${line.bytes} bytes` } as const);
    if (event.t === "unreadable") unreadable += 1;
    if (event.t === "error") {
      follower.refused(event.code);
      problem = { t: "refused", code: event.code, message: event.message };
      break;
    }
    batch.add(follower.take(event));
  }
  options.onUnreadable(unreadable);
  options.onChange(batch.take());
  return problem;
}

/** Undefined when the body is longer. */
async function textWithin(body: Body, maxBytes: number): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > maxBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
