/** One member that publishes to one Redis: records per second in batches, and what a single change costs. */
import { sign as signBytes } from "node:crypto";
import { parseInfo } from "../src/app/hub/redis-info.ts";
import { realClock, realTimers } from "../src/app/real-time.ts";
import { openRedisStore } from "../src/discovery/io/catalog/redis/redis-store.ts";
import { createBuckets } from "../src/discovery/shards/buckets.ts";
import { createHeadSigner, positionOf } from "../src/discovery/shards/head.ts";
import type { CatalogStore, ShardPosition } from "../src/discovery/shards/store.ts";
import {
  infrastructureSpiffeId,
  parseMemberName,
  parseMeshDomain,
  trustDomainOf,
} from "../src/mesh/ids.ts";
import { newPrivateKey } from "../src/trust/io/new-key.ts";
import { createRoot, issueIntermediate, issueSvid } from "../src/trust/issue.ts";
import { spkiOf } from "../src/trust/keys.ts";
import { signerOf } from "../src/trust/signer.ts";
import type { RedisProcess } from "../test/support/redis/redis-process.ts";
import { openStandalone } from "../test/support/redis/topologies.ts";
import { type Figure, report } from "./report.ts";

const rounds = Number(process.env["ISTHMUS_BENCH_ROUNDS"] ?? 10);
const services = 5000;
// What gathers while an earlier write is under way, when much changes at once.
const batchSize = 500;
const batchesPerRound = 20;
const changesPerRound = 500;
/** As many as `hub-writer.ts` keeps under way, with room to spare. */
const underWay = 32;
const mesh = parseMeshDomain("acme.mesh");
const member = parseMemberName("east");
const nowMs = Date.now();
const noSignal = new AbortController().signal;
const silent = (): void => undefined;

const signHead = createHeadSigner(await signerOfMember());
const buckets = createBuckets(
  new Map(Array.from({ length: services }, (_, index) => [keyOf(index), recordOf(index, 6)])),
);
let position: ShardPosition | undefined;
let seq = 0;
let versions = 0;

/** What the writer of a shard does with a batch, without the network. */
async function nextWrite(
  t: "delta" | "whole",
  keys: readonly number[],
): Promise<Parameters<CatalogStore["publish"]>[0]> {
  versions += 1;
  const changed = new Map(keys.map((index) => [keyOf(index), recordOf(index, versions % 6)]));
  for (const [key, record] of changed) buckets.set(key, record);
  seq += 1;
  const head = {
    mesh,
    member,
    epoch: nowMs,
    seq,
    beat: seq,
    leaseMs: 10_000,
    buckets: buckets.count(),
    digest: buckets.digest(),
    timeMs: nowMs,
    owner: { instance: "b2f5f5d4-0000-4000-8000-000000000000", host: "bench" },
  };
  const expected = position;
  position = positionOf(head);
  const records = t === "whole" ? new Map(buckets.entries()) : changed;
  const write = { t, member, expected, position, changed: records, removed: [] };
  return { ...write, head: await signHead(head) };
}

async function publishAll(
  store: CatalogStore,
  batches: readonly (readonly number[])[],
): Promise<void> {
  const pending = new Set<Promise<void>>();
  for (const keys of batches) {
    const sent = store.publish(await nextWrite("delta", keys), noSignal).then((result) => {
      if (result.t !== "stored") throw new Error("the hub holds something else");
    });
    pending.add(sent);
    void sent.finally(() => pending.delete(sent));
    if (pending.size >= underWay) await Promise.race(pending);
  }
  await Promise.all(pending);
}

/** Seconds of CPU and bytes that the server has spent so far. */
async function spentBy(
  server: RedisProcess,
): Promise<{ readonly cpuSeconds: number; readonly inBytes: number; readonly outBytes: number }> {
  const info = parseInfo(await server.cli("INFO", "everything"));
  const number = (name: string): number => Number(info.get(name));
  return {
    cpuSeconds: number("used_cpu_user_main_thread") + number("used_cpu_sys_main_thread"),
    inBytes: number("total_net_input_bytes"),
    outBytes: number("total_net_output_bytes"),
  };
}

function batchAt(round: number, index: number, size: number): readonly number[] {
  const first = (round * 7919 + index * size) % services;
  return Array.from({ length: size }, (_, each) => (first + each) % services);
}

const rates: number[] = [];
const hubPerRecordUs: number[] = [];
const ownPerRecordUs: number[] = [];
const changeRates: number[] = [];
const hubPerChangeUs: number[] = [];
const inPerChange: number[] = [];
const outPerChange: number[] = [];

await using shape = await openStandalone();
const [server] = shape.servers;
if (server === undefined) throw new Error("no server");
const deps = { mesh, clock: realClock, timers: realTimers, random: Math.random };
const log = { debug: silent, info: silent, warn: silent, error: silent };
await using store = openRedisStore(shape.hub, { ...deps, log });
await using reader = openRedisStore(shape.hub, { ...deps, log });
await store.publish(await nextWrite("whole", [0]), noSignal);

for (let round = -1; round < rounds; round += 1) {
  const before = await spentBy(server);
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  await publishAll(
    store,
    Array.from({ length: batchesPerRound }, (_, index) => batchAt(round + 1, index, batchSize)),
  );
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startedMs) / 1000;
  const after = await spentBy(server);
  // The first round warms up both processes.
  if (round < 0) continue;
  const records = batchesPerRound * batchSize;
  rates.push(records / seconds);
  ownPerRecordUs.push((user + system) / records);
  hubPerRecordUs.push(((after.cpuSeconds - before.cpuSeconds) * 1e6) / records);
}

// One reader, as another member's agent is one.
const ending = new AbortController();
const following = follow(reader, ending.signal);
for (let round = -1; round < rounds; round += 1) {
  const before = await spentBy(server);
  const startedMs = performance.now();
  await publishAll(
    store,
    Array.from({ length: changesPerRound }, (_, index) => batchAt(round + 1, index, 1)),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const after = await spentBy(server);
  if (round < 0) continue;
  changeRates.push(changesPerRound / seconds);
  hubPerChangeUs.push(((after.cpuSeconds - before.cpuSeconds) * 1e6) / changesPerRound);
  inPerChange.push((after.inBytes - before.inBytes) / changesPerRound);
  outPerChange.push((after.outBytes - before.outBytes) / changesPerRound);
}
ending.abort();
await following;

const figures: readonly Figure[] = [
  { name: "in batches", unit: "records per second", samples: rates, target: { atLeast: 20_000 } },
  { name: "own CPU in batches", unit: "us per record", samples: ownPerRecordUs },
  { name: "hub CPU in batches", unit: "us per record", samples: hubPerRecordUs },
  { name: "single changes", unit: "per second", samples: changeRates },
  { name: "hub CPU, one reader", unit: "us per change", samples: hubPerChangeUs },
  { name: "to the hub", unit: "bytes per change", samples: inPerChange },
  { name: "from the hub, one reader", unit: "bytes per change", samples: outPerChange },
];
report({
  claim: "One member publishes 20,000 records a second to one Redis hub, signed",
  setup: {
    services,
    batchSize,
    recordBytes: recordOf(0, 6).length,
    rounds,
    hub: "standalone on loopback, appendonly",
  },
  figures,
});

async function follow(from: CatalogStore, signal: AbortSignal): Promise<void> {
  let { cursor = "0-0" } = (await from.readSnapshot(member, noSignal)) ?? {};
  while (!signal.aborted) {
    const entries = await from
      .readLog(new Map([[member, cursor]]), { waitMs: 1000, signal })
      .catch(() => []);
    cursor = entries.at(-1)?.cursor ?? cursor;
  }
}

function keyOf(index: number): string {
  return `service/shop/service-${index}`;
}

/** As large as an exported service with two zones and one port. */
function recordOf(index: number, healthy: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      schema: 1,
      namespace: "shop",
      name: `service-${index}`,
      type: "ClusterSetIP",
      ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
      createdAtMs: nowMs,
      identities: [`spiffe://east.acme.mesh/ns/shop/sa/service-${index}`],
      zones: [
        { zone: "us-east-1a", healthy, total: 6 },
        { zone: "us-east-1b", healthy: 6, total: 6 },
      ],
    }),
  );
}

async function signerOfMember(): Promise<Parameters<typeof createHeadSigner>[0]> {
  const rootSigner = signerOf(newPrivateKey());
  const certificate = await createRoot({ mesh, signer: rootSigner, nowMs });
  const issuerSigner = signerOf(newPrivateKey());
  const issuer = {
    signer: issuerSigner,
    certificate: await issueIntermediate({
      root: { signer: rootSigner, certificate },
      member,
      mesh,
      spki: spkiOf(issuerSigner.publicKey),
      nowMs,
    }),
  };
  const key = newPrivateKey();
  const leaf = await issueSvid({
    issuer,
    id: infrastructureSpiffeId(trustDomainOf(member, mesh), "catalog"),
    spki: spkiOf(signerOf(key).publicKey),
    nowMs,
  });
  return (bytes) =>
    Promise.resolve({
      bytes: signBytes("sha256", bytes, key),
      chain: [leaf.der, issuer.certificate.der],
    });
}
