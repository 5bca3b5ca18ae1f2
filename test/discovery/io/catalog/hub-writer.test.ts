import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createHubWriter,
  type HubWriter,
} from "../../../../src/discovery/io/catalog/hub-writer.ts";
import { createMemoryHub } from "../../../../src/discovery/io/catalog/memory-store.ts";
import type {
  RawRecords,
  ShardPosition,
  ShardWrite,
} from "../../../../src/discovery/shards/store.ts";
import { east, silentLog } from "../../support/made.ts";
import { createVirtualTime, type VirtualTime } from "../../support/virtual-time.ts";

interface Refusing {
  readonly time: VirtualTime;
  readonly writer: HubWriter;
  /** What the hub was asked to store since it began to refuse. */
  readonly attempts: ShardWrite[];
  /** What the log says of the hub, but for details. */
  readonly said: string[];
  isRefusing: boolean;
  readonly change: () => void;
}

/** A writer in step with a hub that can be made to refuse. */
async function refusingHub(records: RawRecords): Promise<Refusing> {
  const time = createVirtualTime();
  const inner = createMemoryHub({ name: "hub", timers: time.timers }).connect();
  const attempts: ShardWrite[] = [];
  const said: string[] = [];
  const say = (_: object, message: string): void => void said.push(message);
  const head = { bytes: new Uint8Array(), signature: { bytes: new Uint8Array(), chain: [] } };
  let position: ShardPosition = { epoch: 1, seq: 1, digest: "1" };
  const writer = createHubWriter({
    store: {
      ...inner,
      publish: async (write, signal) => {
        if (!hub.isRefusing) return await inner.publish(write, signal);
        attempts.push(write);
        throw new Error("out of memory");
      },
    },
    clock: time.clock,
    timers: time.timers,
    timeoutMs: 1000,
    signal: new AbortController().signal,
    log: { ...silentLog, info: say, warn: say },
    target: () => ({ position, head, records: () => records }),
    member: east,
    onStored: () => {},
    judge: () => "overwrite",
  });
  const hub: Refusing = {
    time,
    writer,
    attempts,
    said,
    isRefusing: false,
    change: () => {
      position = { epoch: 1, seq: position.seq + 1, digest: String(position.seq + 1) };
      writer.push({ t: "delta", member: east, position, changed: new Map(), removed: [], head });
    },
  };
  writer.resync();
  await time.settle();
  assert.equal(writer.status().state, "synced");
  return hub;
}

test("the log says once that a hub takes no writes, and once that it does again", async () => {
  const hub = await refusingHub(new Map());
  assert.deepEqual(hub.said, []);
  hub.isRefusing = true;
  hub.change();
  await hub.time.advance(5000);
  assert.deepEqual(hub.said, ["Cannot write to a hub"]);
  hub.isRefusing = false;
  await hub.time.advance(5000);
  assert.deepEqual(hub.said, ["Cannot write to a hub", "Hub can be written"]);
});

test("a hub that refused is in step within a second after it takes writes again", async () => {
  const hub = await refusingHub(new Map([["member", new Uint8Array(1000)]]));
  hub.isRefusing = true;
  hub.change();
  await hub.time.advance(20_000);
  assert.equal(hub.writer.status().state, "unreachable");
  hub.isRefusing = false;
  await hub.time.advance(1000);
  assert.equal(hub.writer.status().state, "synced");
});

test("changes do not make a hub that refuses be asked more often", async () => {
  const hub = await refusingHub(new Map([["member", new Uint8Array(1000)]]));
  hub.isRefusing = true;
  for (let change = 0; change < 200; change += 1) {
    hub.change();
    await hub.time.advance(50);
  }
  // Each a second apart once the first, quicker ones are over.
  assert.ok(hub.attempts.length <= 15, `it was asked ${hub.attempts.length} times in 10 s`);
});

test("a large shard is sent less often to a hub that refuses", async () => {
  const hub = await refusingHub(new Map([["member", new Uint8Array(10_000_000)]]));
  hub.isRefusing = true;
  hub.change();
  await hub.time.advance(9000);
  assert.ok(hub.attempts.length <= 4, `it was asked ${hub.attempts.length} times in 9 s`);
});
