import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type {
  ApiStream,
  OpenStream,
  WatchLimits,
} from "../../../../src/discovery/io/kubernetes/watch-attempt.ts";
import {
  createWatchReader,
  type WatchReader,
} from "../../../../src/discovery/io/kubernetes/watch-reader.ts";

type Answer = (path: string, signal: AbortSignal) => ApiStream | Promise<ApiStream>;

interface Followed extends AsyncDisposable {
  readonly reader: WatchReader;
  /** Version of each object by name. */
  readonly known: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
  readonly asked: readonly string[];
}

/** Answers one after the other; the last one again and again. */
function follow(answers: readonly Answer[], limits: Partial<WatchLimits> = {}): Followed {
  const known = new Map<string, string>();
  const removed: string[] = [];
  const asked: string[] = [];
  const open: OpenStream = async (path, { signal }) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    asked.push(path);
    assert.ok(answer !== undefined);
    return answer(path, signal);
  };
  const reader = createWatchReader({
    open,
    paths: ["/api/v1/things"],
    clock: { nowMs: Date.now, monotonicMs: () => performance.now() },
    // No pauses.
    random: () => 0,
    limits,
    onStatus: () => undefined,
    onChange: (change) => {
      for (const { key, object } of change.puts) {
        known.set(
          key,
          (object as { metadata: { resourceVersion: string } }).metadata.resourceVersion,
        );
      }
      for (const key of change.removed) {
        known.delete(key);
        removed.push(key);
      }
    },
  });
  reader.start();
  return { reader, known, removed, asked, [Symbol.asyncDispose]: () => reader.close() };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(2);
}

function event(type: string, name: string, version: number, more: object = {}): string {
  const object = { metadata: { name, resourceVersion: String(version) }, ...more };
  return `${JSON.stringify({ type, object })}\n`;
}

function listEnd(version: number): string {
  const annotations = { "k8s.io/initial-events-end": "true" };
  const metadata = { resourceVersion: String(version), annotations };
  return `${JSON.stringify({ type: "BOOKMARK", object: { metadata } })}\n`;
}

/** A watch that says this and stays open. */
function open(...texts: readonly (string | Uint8Array)[]): Answer {
  return (_path, signal) => ({ status: 200, body: bodyOf(texts, signal) });
}

/** An answer that ends. */
function whole(text: string, status = 200): Answer {
  return () => ({ status, body: bodyOf([text]) });
}

async function* bodyOf(
  texts: readonly (string | Uint8Array)[],
  stay?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield typeof text === "string" ? Buffer.from(text) : text;
  if (stay === undefined) return;
  await new Promise((_resolve, reject) => {
    const end = (): void => reject(new Error("aborted"));
    if (stay.aborted) end();
    stay.addEventListener("abort", end, { once: true });
  });
}

test("an object reads the same wherever its line is cut into chunks", async () => {
  const text = Buffer.from(event("ADDED", "é", 1) + event("ADDED", "b", 2) + listEnd(3));
  const bytes = Array.from(text, (byte) => Uint8Array.of(byte));
  await using followed = follow([open(...bytes)]);
  await until(() => followed.reader.status().isLive);
  assert.deepEqual(
    [...followed.known],
    [
      ["é", "1"],
      ["b", "2"],
    ],
  );
});

test("a line that is too long costs the object its change, and nobody else anything", async () => {
  const first = event("ADDED", "a", 1) + event("ADDED", "big", 2) + listEnd(3);
  const long = event("MODIFIED", "big", 4, { text: "x".repeat(5000) });
  await using followed = follow([open(first, long, event("MODIFIED", "a", 5))], {
    maxLineBytes: 1000,
  });
  await until(() => followed.known.get("a") === "5");
  assert.equal(followed.known.get("big"), "2");
  assert.equal(followed.reader.status().unreadable, 1);
  assert.equal(followed.asked.length, 1);
});

test("a list with a line that cannot be read takes nothing away", async () => {
  const first = whole(event("ADDED", "a", 1) + event("ADDED", "b", 2) + listEnd(3));
  const expired = whole('{"type":"ERROR","object":{"code":410}}\n');
  const spoiled = open(event("ADDED", "b", 2), "not json\n", listEnd(9));
  await using followed = follow([first, expired, spoiled]);
  await until(() => followed.asked.length === 3 && followed.reader.status().isLive);
  assert.deepEqual([...followed.known.keys()], ["a", "b"]);
  assert.deepEqual(followed.removed, []);
});

for (const [what, text] of [
  ["the page of a proxy", "<html>Please log in</html>\n"],
  ["nothing", ""],
  ["an endless line", "x".repeat(100_000)],
  [
    "a list where a watch was asked for",
    '{"kind":"ThingList","metadata":{"resourceVersion":"1"},"items":[]}\n',
  ],
] as const) {
  test(`a server that answers with ${what} is not taken for an empty cluster`, async () => {
    const sound = open(event("ADDED", "a", 1) + listEnd(3));
    await using followed = follow([whole(text), whole(text), sound], { maxLineBytes: 1000 });
    await until(() => followed.reader.status().isSynced);
    assert.equal(followed.asked.length, 3);
    assert.deepEqual([...followed.known.keys()], ["a"]);
  });
}

function page(items: readonly [string, number][], rest: object): string {
  return JSON.stringify({
    kind: "ThingList",
    apiVersion: "v1",
    metadata: { resourceVersion: "7", ...rest },
    items: items.map(([name, version]) => ({
      metadata: { name, resourceVersion: String(version) },
    })),
  });
}

test("pages that are too large are asked for again with fewer items", async () => {
  const answers = [
    whole("{}", 400),
    whole("x".repeat(2000)),
    whole(page([["a", 1]], { continue: "next" })),
    whole(page([["b", 2]], {})),
    open(event("ADDED", "c", 8)),
  ];
  await using followed = follow(answers, { maxPageBytes: 1000 });
  await until(() => followed.known.has("c"));
  assert.deepEqual([...followed.known.keys()], ["a", "b", "c"]);
  const limits = followed.asked.map((path) => new URL(path, "http://a").searchParams.get("limit"));
  assert.deepEqual(limits, [null, "500", "5", "5", null]);
  assert.match(followed.asked[4] ?? "", /resourceVersion=7/);
});

test("a server that closes each watch at once is asked with growing pauses", async () => {
  const first = whole(event("ADDED", "a", 1) + listEnd(3));
  await using followed = follow([first, whole("")]);
  await until(() => followed.asked.length > 8);
  assert.ok(followed.reader.status().failures > 5);
  assert.deepEqual(followed.removed, []);
});

test("close() ends a reader that waits for an answer, and one that reads", async () => {
  const never: Answer = (_path, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
    });
  for (const answer of [never, open(event("ADDED", "a", 1))]) {
    const followed = follow([answer]);
    await until(() => followed.asked.length === 1);
    await followed.reader.close();
    assert.equal(followed.asked.length, 1);
  }
});
