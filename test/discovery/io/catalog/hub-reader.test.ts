import assert from "node:assert/strict";
import { test } from "node:test";
import { startHubReader } from "../../../../src/discovery/io/catalog/hub-reader.ts";
import { pause } from "../../../../src/discovery/io/catalog/waiting.ts";
import type { CatalogStore, SignedHead } from "../../../../src/discovery/shards/store.ts";
import { east, silentLog, west } from "../../support/made.ts";
import { createVirtualTime } from "../../support/virtual-time.ts";

const head: SignedHead = {
  bytes: new Uint8Array(),
  signature: { bytes: new Uint8Array(), chain: [] },
};

/** A hub into which a member writes, without end, what fits no head. */
function restlessHub(): CatalogStore & { readonly snapshots: () => number } {
  let snapshots = 0;
  let entries = 0;
  return {
    name: "restless",
    snapshots: () => snapshots,
    readSnapshot: async () => {
      snapshots += 1;
      return { records: new Map(), head, cursor: `${entries}-0` };
    },
    readLog: async () => {
      entries += 1;
      const cursor = `${entries}-0`;
      return [{ member: east, cursor, t: "whole", changed: new Map(), removed: [], head }];
    },
    readHeads: async () => new Map(),
    readCharters: async () => [],
    putCharter: async () => undefined,
    publish: async () => ({ t: "stored" }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

test("a writer whose every entry sends readers to the snapshot makes them read few a second", async () => {
  const time = createVirtualTime();
  const store = restlessHub();
  const ended = new AbortController();
  const reader = startHubReader({
    store,
    clock: time.clock,
    timers: time.timers,
    random: () => 0.5,
    signal: ended.signal,
    log: silentLog,
    timeoutMs: 2500,
    pollMs: 1000,
    members: () => [east],
    take: () => ({ isNewBeat: false, isBehind: true }),
    verifiedHead: () => undefined,
    positionOf: () => undefined,
    charterNumber: () => 0,
    onCharters: () => undefined,
  });
  await time.advance(10_000);
  const count = store.snapshots();
  ended.abort(new Error("over"));
  await time.advance(10_000);
  await reader.done;
  assert.ok(count >= 10, `readers never give up: ${count} snapshots`);
  assert.ok(count <= 10 * 5, `${count} snapshots in ten seconds`);
});

test("a log that yields only what is refused is left alone most of the time, and the others are read", async () => {
  const time = createVirtualTime();
  const ended = new AbortController();
  let junk = 0;
  const seen: string[] = [];
  const store: CatalogStore = {
    ...restlessHub(),
    readLog: async (cursors, { waitMs, signal }) => {
      const isNews = cursors.get(west) === "0-1";
      // With junk a read returns at once; without, it waits.
      await pause(cursors.has(east) || isNews ? 1 : waitMs, { timers: time.timers, signal });
      const fields = { t: "delta", changed: new Map(), removed: [], head } as const;
      if (isNews) return [{ ...fields, member: west, cursor: "0-2" }];
      return Array.from({ length: cursors.has(east) ? 128 : 0 }, () => {
        junk += 1;
        return { ...fields, member: east, cursor: `${junk}-0` };
      });
    },
    readSnapshot: async () => ({ records: new Map(), head, cursor: "0-1" }),
  };
  const problem = { code: "CATALOG_HEAD_REFUSED", message: "junk" };
  const reader = startHubReader({
    store,
    clock: time.clock,
    timers: time.timers,
    random: () => 0.5,
    signal: ended.signal,
    log: silentLog,
    timeoutMs: 2500,
    pollMs: 1000,
    members: () => [east, west],
    take: (member, input) => {
      if (input.t === "entry") seen.push(member);
      const isJunk = member === east && input.t === "entry";
      return { isNewBeat: false, isBehind: false, ...(isJunk ? { problem } : {}) };
    },
    verifiedHead: () => undefined,
    positionOf: () => undefined,
    charterNumber: () => 0,
    onCharters: () => undefined,
  });
  await time.advance(10_000);
  ended.abort(new Error("over"));
  await time.advance(10_000);
  await reader.done;
  assert.ok(junk > 0 && junk <= 800, `${junk} pieces of junk in ten seconds`);
  assert.ok(seen.includes(west));
});

test("a hub that refuses all that is asked cannot be read, also where nobody else is followed", async () => {
  const time = createVirtualTime();
  const ended = new AbortController();
  let isRefused = true;
  const reader = startHubReader({
    store: {
      ...restlessHub(),
      readCharters: async () => {
        if (isRefused) throw new Error("it refuses the password");
        return [];
      },
    },
    clock: time.clock,
    timers: time.timers,
    random: () => 0.5,
    signal: ended.signal,
    log: silentLog,
    timeoutMs: 2500,
    pollMs: 1000,
    members: () => [],
    take: () => ({ isNewBeat: false, isBehind: false }),
    verifiedHead: () => undefined,
    positionOf: () => undefined,
    charterNumber: () => 0,
    onCharters: () => undefined,
  });
  await time.advance(5000);
  assert.equal(reader.isReadable(), false);
  assert.equal(reader.status().lastError?.reason, "it refuses the password");
  isRefused = false;
  await time.advance(5000);
  assert.equal(reader.isReadable(), true);
  ended.abort(new Error("over"));
  await time.advance(10_000);
  await reader.done;
});
