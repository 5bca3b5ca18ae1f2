import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type {
  FollowChange,
  Follower,
} from "../../../../src/discovery/sources/kubernetes/follower.ts";
import { createFollower } from "../../../../src/discovery/sources/kubernetes/follower.ts";
import {
  readListPage,
  readWatchEvent,
} from "../../../../src/discovery/sources/kubernetes/watch-event.ts";
import { fuzzRuns } from "../support/fuzz.ts";
import type { ModelServer } from "./model-server.ts";
import { createModelServer } from "./model-server.ts";

type Step =
  | { readonly t: "write" | "remove"; readonly name: string }
  | { readonly t: "compact" }
  /** One attempt; the connection breaks after so many lines, or the answer is this code. */
  | {
      readonly t: "read";
      readonly cutAfter: number;
      readonly code: number;
      readonly spoiled: number;
    };

const name = fc.constantFrom("a", "b", "c", "d", "e", "f");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ t: fc.constant("write" as const), name }) },
  { weight: 2, arbitrary: fc.record({ t: fc.constant("remove" as const), name }) },
  { weight: 1, arbitrary: fc.constant({ t: "compact" as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      t: fc.constant("read" as const),
      cutAfter: fc.oneof(fc.nat(6), fc.constant(1000)),
      code: fc.oneof(
        { weight: 6, arbitrary: fc.constant(200) },
        { weight: 1, arbitrary: fc.constantFrom(401, 403, 404, 429, 500, 504) },
      ),
      spoiled: fc.oneof(
        { weight: 8, arbitrary: fc.constant(-1) },
        { weight: 1, arbitrary: fc.nat(5) },
      ),
    }),
  },
);

interface Kind {
  readonly hasStreams: boolean;
  readonly refuseInStream: boolean;
}

/** What whoever listens knows: the version of each object. */
class Listener {
  readonly known = new Map<string, string>();
  readonly server: ModelServer;
  /** Objects that existed without a gap since they were last put. */
  readonly safe = new Set<string>();

  constructor(server: ModelServer) {
    this.server = server;
  }

  take({ puts, removed }: FollowChange): void {
    for (const { key, object } of puts) {
      const { metadata } = object as { metadata: { resourceVersion: string } };
      this.known.set(key, metadata.resourceVersion);
      // An old word about an object that has gone since may be followed by the word that it has.
      if (this.server.versionOf(key) === metadata.resourceVersion) this.safe.add(key);
    }
    for (const key of removed) {
      assert.ok(this.known.delete(key), `${key} is removed and was never put`);
      assert.ok(!this.safe.has(key), `${key} is removed and was never away`);
    }
  }
}

function read(
  follower: Follower,
  {
    listener,
    kind,
    read: how,
  }: { listener: Listener; kind: Kind; read: Extract<Step, { t: "read" }> },
): void {
  const request = follower.begin();
  if (how.code !== 200) return follower.refused(how.code);
  const answer = listener.server.answer(request, kind);
  if ("code" in answer) return follower.refused(answer.code);
  if ("page" in answer) {
    if (how.cutAfter < 2) return;
    const page = readListPage(answer.page);
    assert.ok(page !== undefined);
    return listener.take(follower.takePage(page));
  }
  for (const [at, line] of answer.lines.slice(0, how.cutAfter).entries()) {
    const event = readWatchEvent(at === how.spoiled && !line.includes("ERROR") ? "{" : line);
    if (event.t === "error") return follower.refused(event.code);
    listener.take(follower.take(event));
  }
}

function settle(follower: Follower, listener: Listener, kind: Kind): void {
  const whole = { t: "read", cutAfter: 1000, code: 200, spoiled: -1 } as const;
  for (let round = 0; round < 40; round += 1) read(follower, { listener, kind, read: whole });
}

test("a follower never takes away what exists, and ends where the server stands", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.record({ hasStreams: fc.boolean(), refuseInStream: fc.boolean() }),
      (steps, kind) => {
        const server = createModelServer();
        const listener = new Listener(server);
        const follower = createFollower();
        let isSpoiled = false;
        for (const each of steps) {
          switch (each.t) {
            case "write":
              server.write(each.name);
              break;
            case "remove":
              server.remove(each.name);
              listener.safe.delete(each.name);
              break;
            case "compact":
              server.compact();
              break;
            case "read":
              isSpoiled ||= each.spoiled >= 0;
              read(follower, { listener, kind, read: each });
          }
        }
        settle(follower, listener, kind);
        assert.ok(follower.isSynced());
        // A line that could not be read may have been the only word about a change, until the next list.
        if (isSpoiled) {
          server.write("z");
          server.compact();
          for (const each of server.names()) server.write(each);
          server.compact();
          settle(follower, listener, kind);
        }
        assert.deepEqual([...listener.known.keys()].sort(), server.names());
        for (const each of server.names()) {
          assert.equal(listener.known.get(each), server.versionOf(each));
        }
      },
    ),
    { numRuns: fuzzRuns(2000) },
  );
});

test("readWatchEvent() and readListPage() make something sound of any text", () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .record({
        type: fc.constantFrom("ADDED", "DELETED", "BOOKMARK", "ERROR", "MODIFIED", 1),
        object: fc.anything(),
        metadata: fc.anything(),
        items: fc.anything(),
      })
      .map((value) => {
        try {
          return JSON.stringify(value);
        } catch {
          return "";
        }
      }),
  );
  fc.assert(
    fc.property(text, (line) => {
      const event = readWatchEvent(String(line));
      if (event.t === "put" || event.t === "gone") assert.notEqual(event.key, "");
      const page = readListPage(String(line));
      for (const item of page?.items ?? []) assert.notEqual(item.key, "");
    }),
    { numRuns: fuzzRuns(2000) },
  );
});
