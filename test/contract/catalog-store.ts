import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type {
  CatalogStore,
  PublishResult,
  RawRecords,
  ShardPosition,
  ShardWrite,
  SignedHead,
} from "../../src/discovery/shards/store.ts";
import { logStart } from "../../src/discovery/shards/store.ts";
import type { SignedCharter } from "../../src/mesh/charter.ts";
import type { MemberName } from "../../src/mesh/ids.ts";
import { parseMemberName } from "../../src/mesh/ids.ts";

/** A hub as a test sees it: empty at first, reached by any number of agents. */
export interface StoreUnderTest {
  readonly connect: () => Promise<CatalogStore>;
  readonly close: () => Promise<void>;
}

const east = parseMemberName("east");
const west = parseMemberName("west");
const noSignal = new AbortController().signal;

/** What every CatalogStore must do. Waiting is bounded by the store, never by this suite. */
export function catalogStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  const withHub = (title: string, run: (hub: StoreUnderTest) => Promise<void>): void => {
    test(title, async () => {
      const hub = await open();
      try {
        await run(hub);
      } finally {
        await hub.close();
      }
    });
  };
  const withStore = (title: string, run: (store: CatalogStore) => Promise<void>): void => {
    withHub(title, async (hub) => {
      await using store = await hub.connect();
      await run(store);
    });
  };

  suite(`CatalogStore: ${name}`, () => {
    withStore("an empty hub holds no snapshot, no head and no charter", async (store) => {
      assert.equal(await store.readSnapshot(east, noSignal), undefined);
      assert.equal((await store.readHeads([east, west], { signal: noSignal })).size, 0);
      assert.deepEqual(await store.readCharters({ above: 0 }, noSignal), []);
    });

    withStore("a whole write is read back byte for byte", async (store) => {
      const records = recordsOf({ member: "M", "service/shop/cart": "\u0000\u00ffü€" });
      await whole(store, { records, position: at(1, 1) });
      const snapshot = await store.readSnapshot(east, noSignal);
      assert.deepEqual(plain(snapshot?.records), plain(records));
      assert.deepEqual(plainHead(snapshot?.head), plainHead(headOf("1/1")));
    });

    withStore("a whole write removes what is not in it", async (store) => {
      await whole(store, { records: recordsOf({ a: "1", b: "2" }), position: at(1, 1) });
      await whole(store, {
        records: recordsOf({ b: "3" }),
        position: at(2, 1),
        expected: at(1, 1),
      });
      const snapshot = await store.readSnapshot(east, noSignal);
      assert.deepEqual(plain(snapshot?.records), { b: "3" });
    });

    withStore("a delta changes what it names and nothing else", async (store) => {
      await whole(store, { records: recordsOf({ a: "1", b: "2", c: "3" }), position: at(1, 1) });
      await delta(store, { changed: { b: "9" }, removed: ["c"], from: at(1, 1), to: at(1, 2) });
      const snapshot = await store.readSnapshot(east, noSignal);
      assert.deepEqual(plain(snapshot?.records), { a: "1", b: "9" });
      assert.deepEqual(plainHead(snapshot?.head), plainHead(headOf("1/2")));
    });

    withStore("a snapshot handed out does not change with later writes", async (store) => {
      await whole(store, { records: recordsOf({ a: "1" }), position: at(1, 1) });
      const before = await store.readSnapshot(east, noSignal);
      await delta(store, { changed: { a: "2" }, removed: [], from: at(1, 1), to: at(1, 2) });
      assert.deepEqual(plain(before?.records), { a: "1" });
    });

    withStore(
      "a write that expects something else changes nothing and tells what is held",
      async (store) => {
        await whole(store, { records: recordsOf({ a: "1" }), position: at(5, 7) });
        for (const expected of [undefined, at(5, 6), at(4, 7), { ...at(5, 7), digest: "other" }]) {
          for (const t of ["whole", "delta", "beat"] as const) {
            const result = await store.publish(
              writeOf({ t, expected, position: at(9, 1), changed: recordsOf({ a: "x" }) }),
              noSignal,
            );
            assertMoved(result, at(5, 7));
          }
        }
        const snapshot = await store.readSnapshot(east, noSignal);
        assert.deepEqual(plain(snapshot?.records), { a: "1" });
      },
    );

    withStore(
      "a writer that expects something in an empty hub is told that nothing is held",
      async (store) => {
        const write = writeOf({ t: "delta", expected: at(1, 1), position: at(1, 2) });
        assert.deepEqual(await store.publish(write, noSignal), { t: "moved", held: undefined });
      },
    );

    withHub("a writer that was replaced is told by whose head", async (hub) => {
      await using old = await hub.connect();
      await using next = await hub.connect();
      await whole(old, { records: recordsOf({ a: "1" }), position: at(1, 1) });
      await whole(next, {
        records: recordsOf({ a: "2" }),
        position: at(2, 1),
        expected: at(1, 1),
      });
      const late = writeOf({ t: "delta", expected: at(1, 1), position: at(1, 2) });
      const result = await old.publish(late, noSignal);
      assertMoved(result, at(2, 1));
    });

    withStore("a delta sent twice is stored once", async (store) => {
      await whole(store, { records: recordsOf({ a: "1" }), position: at(1, 1) });
      const step = { changed: { a: "2" }, removed: [], from: at(1, 1), to: at(1, 2) };
      await delta(store, step);
      await delta(store, step);
      const entries = await store.readLog(new Map([[east, logStart]]), {
        waitMs: 1,
        signal: noSignal,
      });
      assert.equal(entries.filter((entry) => entry.t === "delta").length, 1);
    });

    withStore("a whole write may repeat the position it replaces", async (store) => {
      await whole(store, { records: recordsOf({ a: "1" }), position: at(1, 1) });
      await whole(store, {
        records: recordsOf({ a: "1", b: "2" }),
        position: at(1, 1),
        expected: at(1, 1),
      });
      const snapshot = await store.readSnapshot(east, noSignal);
      assert.deepEqual(plain(snapshot?.records), { a: "1", b: "2" });
    });

    withStore("a beat replaces the head and is not logged", async (store) => {
      await whole(store, { records: recordsOf({ a: "1" }), position: at(1, 1) });
      const { cursor = "" } = (await store.readSnapshot(east, noSignal)) ?? {};
      const beat = writeOf({ t: "beat", expected: at(1, 1), position: at(1, 1), head: "beat 2" });
      assert.deepEqual(await store.publish(beat, noSignal), { t: "stored" });
      const heads = await store.readHeads([east], { signal: noSignal });
      assert.deepEqual(plainHead(heads.get(east)), plainHead(headOf("beat 2")));
      const entries = await store.readLog(new Map([[east, cursor]]), {
        waitMs: 1,
        signal: noSignal,
      });
      assert.deepEqual(entries, []);
    });

    withStore("heads that are known count as long as they stand there", async (store) => {
      await whole(store, { records: recordsOf({ a: "1" }), position: at(1, 1) });
      const read = async (known: SignedHead): Promise<unknown> => {
        const asked = { signal: noSignal, known: () => known };
        const heads = await store.readHeads([east, west], asked);
        return [...heads].map(([member, head]) => [member, plainHead(head)]);
      };
      assert.deepEqual(await read(headOf("1/1")), [[east, plainHead(headOf("1/1"))]]);
      assert.deepEqual(await read(headOf("other")), [[east, plainHead(headOf("1/1"))]]);
      const beat = writeOf({ t: "beat", expected: at(1, 1), position: at(1, 1), head: "beat 2" });
      await store.publish(beat, noSignal);
      assert.deepEqual(await read(headOf("1/1")), [[east, plainHead(headOf("beat 2"))]]);
    });

    withStore("the log goes on exactly where the snapshot ends", async (store) => {
      await whole(store, { records: recordsOf({ a: "1" }), position: at(1, 1) });
      await delta(store, { changed: { a: "2" }, removed: [], from: at(1, 1), to: at(1, 2) });
      const { cursor = "" } = (await store.readSnapshot(east, noSignal)) ?? {};
      await delta(store, { changed: { b: "3" }, removed: ["a"], from: at(1, 2), to: at(1, 3) });
      const [entry, ...more] = await store.readLog(new Map([[east, cursor]]), {
        waitMs: 1,
        signal: noSignal,
      });
      assert.equal(more.length, 0);
      assert.equal(entry?.t, "delta");
      assert.equal(entry?.member, east);
      assert.deepEqual(plain(entry?.changed), { b: "3" });
      assert.deepEqual(entry?.removed, ["a"]);
      assert.deepEqual(plainHead(entry?.head), plainHead(headOf("1/3")));
    });

    withStore("the log of several members is read in one call, each in order", async (store) => {
      for (const member of [east, west]) {
        await whole(store, { member, records: recordsOf({ a: "0" }), position: at(1, 1) });
        for (const seq of [2, 3, 4]) {
          const step = { changed: { a: String(seq) }, removed: [] };
          await delta(store, { ...step, member, from: at(1, seq - 1), to: at(1, seq) });
        }
      }
      const cursors = new Map([east, west].map((member) => [member, logStart]));
      const entries = await drain(store, cursors);
      for (const member of [east, west]) {
        const own = entries.filter((entry) => entry.member === member);
        assert.deepEqual(
          own.map((entry) => [entry.t, plain(entry.changed)]),
          [["whole", {}], ...["2", "3", "4"].map((a) => ["delta", { a }])],
        );
      }
    });

    withHub("a waiting reader gets a write of another agent", async (hub) => {
      await using writer = await hub.connect();
      await using reader = await hub.connect();
      await whole(writer, { records: recordsOf({ a: "1" }), position: at(1, 1) });
      const { cursor = "" } = (await reader.readSnapshot(east, noSignal)) ?? {};
      const waiting = reader.readLog(new Map([[east, cursor]]), {
        waitMs: 10_000,
        signal: noSignal,
      });
      await delta(writer, { changed: { a: "2" }, removed: [], from: at(1, 1), to: at(1, 2) });
      assert.deepEqual(plain((await waiting)[0]?.changed), { a: "2" });
    });

    withHub("a reader that waits does not delay the other calls of its agent", async (hub) => {
      await using store = await hub.connect();
      const ended = new AbortController();
      const waiting = store.readLog(new Map([[east, logStart]]), {
        waitMs: 60_000,
        signal: ended.signal,
      });
      await whole(store, { member: west, records: recordsOf({ a: "1" }), position: at(1, 1) });
      assert.notEqual(await store.readSnapshot(west, noSignal), undefined);
      ended.abort(new Error("enough"));
      await assert.rejects(waiting, /enough/);
    });

    withStore("an aborted call rejects with the signal's reason", async (store) => {
      const signal = AbortSignal.abort(new Error("gone"));
      const write = writeOf({ t: "whole", expected: undefined, position: at(1, 1) });
      await assert.rejects(store.publish(write, signal), /gone/);
      await assert.rejects(store.readSnapshot(east, signal), /gone/);
      await assert.rejects(store.readHeads([east], { signal }), /gone/);
      await assert.rejects(
        store.readLog(new Map([[east, logStart]]), { waitMs: 1, signal }),
        /gone/,
      );
      assert.equal(await store.readSnapshot(east, noSignal), undefined);
    });

    withStore("writes made without waiting take effect in order", async (store) => {
      await whole(store, { records: recordsOf({ n: "1" }), position: at(1, 1) });
      const writes = Array.from({ length: 50 }, (_, index) =>
        delta(store, {
          changed: { n: String(index + 2) },
          removed: [],
          from: at(1, index + 1),
          to: at(1, index + 2),
        }),
      );
      await Promise.all(writes);
      const snapshot = await store.readSnapshot(east, noSignal);
      assert.deepEqual(plain(snapshot?.records), { n: "51" });
    });

    withStore("one member's writes never touch another's shard", async (store) => {
      await whole(store, { records: recordsOf({ a: "east" }), position: at(1, 1) });
      await whole(store, { member: west, records: recordsOf({ a: "west" }), position: at(1, 1) });
      const snapshots = await Promise.all(
        [east, west].map((member) => store.readSnapshot(member, noSignal)),
      );
      assert.deepEqual(
        snapshots.map((snapshot) => plain(snapshot?.records)),
        [{ a: "east" }, { a: "west" }],
      );
    });

    withStore("charters above a number are found whoever stored them", async (store) => {
      await store.putCharter({ member: east, number: 3, charter: charterOf("three") }, noSignal);
      await store.putCharter({ member: west, number: 4, charter: charterOf("four") }, noSignal);
      const found = await store.readCharters({ above: 3 }, noSignal);
      assert.deepEqual(found.map(textOf), ["four"]);
      assert.deepEqual(await store.readCharters({ above: 4 }, noSignal), []);
    });

    withStore("a member's later charter replaces its earlier one", async (store) => {
      await store.putCharter({ member: east, number: 3, charter: charterOf("three") }, noSignal);
      await store.putCharter({ member: east, number: 5, charter: charterOf("five") }, noSignal);
      const found = await store.readCharters({ above: 0 }, noSignal);
      assert.deepEqual(found.map(textOf), ["five"]);
    });

    withStore("5,000 records fit into one write and one snapshot", async (store) => {
      const fields = Object.fromEntries(
        Array.from({ length: 5000 }, (_, index) => [`service/shop/s-${index}`, "x".repeat(300)]),
      );
      await whole(store, { records: recordsOf(fields), position: at(1, 1) });
      const snapshot = await store.readSnapshot(east, noSignal);
      assert.equal(snapshot?.records.size, 5000);
    });
  });
}

/** Reads until the log gives nothing more. */
async function drain(
  store: CatalogStore,
  cursors: Map<MemberName, string>,
): Promise<readonly Awaited<ReturnType<CatalogStore["readLog"]>>[number][]> {
  const all = [];
  for (;;) {
    const entries = await store.readLog(cursors, { waitMs: 1, signal: noSignal });
    if (entries.length === 0) return all;
    for (const entry of entries) cursors.set(entry.member, entry.cursor);
    all.push(...entries);
  }
}

function at(epoch: number, seq: number): ShardPosition {
  return { epoch, seq, digest: `${epoch}/${seq}` };
}

function headOf(text: string): SignedHead {
  const bytes = Buffer.from(`sig of ${text}`);
  const signature = { bytes, chain: [Buffer.from("leaf"), Buffer.from("ca")] };
  return { bytes: Buffer.from(text), signature };
}

function charterOf(text: string): SignedCharter {
  return { bytes: Buffer.from(text), signature: Buffer.from("s"), signer: "root" };
}

function textOf(charter: SignedCharter): string {
  return Buffer.from(charter.bytes).toString("utf8");
}

function recordsOf(fields: Readonly<Record<string, string>>): RawRecords {
  return new Map(Object.entries(fields).map(([key, text]) => [key, Buffer.from(text)]));
}

function plain(records: RawRecords | undefined): Record<string, string> {
  const pairs = [...(records ?? [])].sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(pairs.map(([key, bytes]) => [key, Buffer.from(bytes).toString()]));
}

function plainHead(head: SignedHead | undefined): unknown {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return head && [hex(head.bytes), hex(head.signature.bytes), ...head.signature.chain.map(hex)];
}

function writeOf(
  write: Pick<ShardWrite, "t" | "expected" | "position"> & {
    readonly member?: MemberName;
    readonly changed?: RawRecords;
    readonly removed?: readonly string[];
    readonly head?: string;
  },
): ShardWrite {
  const { epoch, seq } = write.position;
  return {
    member: east,
    changed: new Map(),
    removed: [],
    ...write,
    head: headOf(write.head ?? `${epoch}/${seq}`),
  };
}

async function whole(
  store: CatalogStore,
  write: {
    readonly member?: MemberName;
    readonly records: RawRecords;
    readonly position: ShardPosition;
    readonly expected?: ShardPosition;
  },
): Promise<void> {
  const { records, expected, ...rest } = write;
  const result = await store.publish(
    writeOf({ t: "whole", expected, changed: records, ...rest }),
    noSignal,
  );
  assert.deepEqual(result, { t: "stored" });
}

async function delta(
  store: CatalogStore,
  step: {
    readonly member?: MemberName;
    readonly changed: Readonly<Record<string, string>>;
    readonly removed: readonly string[];
    readonly from: ShardPosition;
    readonly to: ShardPosition;
  },
): Promise<void> {
  const { from: expected, to: position, removed } = step;
  const changed = recordsOf(step.changed);
  const member = step.member ?? east;
  const result = await store.publish(
    writeOf({ t: "delta", member, expected, position, changed, removed }),
    noSignal,
  );
  assert.deepEqual(result, { t: "stored" });
}

function assertMoved(result: PublishResult, position: ShardPosition): void {
  assert.equal(result.t, "moved");
  const held = result.t === "moved" ? result.held : undefined;
  assert.deepEqual(held?.position, position);
  assert.deepEqual(plainHead(held?.head), plainHead(headOf(`${position.epoch}/${position.seq}`)));
}
