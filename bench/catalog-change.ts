/** One catalog change, at its writer and at a reader, for shards of several sizes; and a cold read. */
import { sign as signBytes } from "node:crypto";
import type { RemoteShard } from "../src/discovery/follow/remote-shard.ts";
import { createRemoteShard } from "../src/discovery/follow/remote-shard.ts";
import { exportOf } from "../src/discovery/publish/export-records.ts";
import type { OwnShard } from "../src/discovery/publish/own-shard.ts";
import { createOwnShard } from "../src/discovery/publish/own-shard.ts";
import type { Head } from "../src/discovery/shards/head.ts";
import { createHeadSigner } from "../src/discovery/shards/head.ts";
import type { LogEntry, RawRecords, SignedHead } from "../src/discovery/shards/store.ts";
import type { Charter } from "../src/mesh/charter.ts";
import {
  infrastructureSpiffeId,
  parseMemberName,
  parseMeshDomain,
  parseNetworkName,
  parseServiceId,
  trustDomainOf,
} from "../src/mesh/ids.ts";
import type { Sign } from "../src/mesh/ports.ts";
import type { Endpoint, LocalService } from "../src/mesh/service.ts";
import { bundleOf } from "../src/trust/bundle.ts";
import { judgeClaim } from "../src/trust/claims.ts";
import { newPrivateKey } from "../src/trust/io/new-key.ts";
import { createRoot, issueIntermediate, issueSvid } from "../src/trust/issue.ts";
import { spkiOf } from "../src/trust/keys.ts";
import { signerOf } from "../src/trust/signer.ts";
import { createVerifier } from "../src/trust/verifier.ts";
import { type Figure, report } from "./report.ts";

const rounds = Number(process.env["ISTHMUS_BENCH_ROUNDS"] ?? 20);
const changesPerRound = 200;
const sizes = [10, 1000, 5000, 50_000];
const mesh = parseMeshDomain("acme.mesh");
const member = parseMemberName("east");
const trustDomain = trustDomainOf(member, mesh);
const nowMs = Date.now();

const rootSigner = signerOf(newPrivateKey());
const root = {
  signer: rootSigner,
  certificate: await createRoot({ mesh, signer: rootSigner, nowMs }),
};
const issuerSigner = signerOf(newPrivateKey());
const issuer = {
  signer: issuerSigner,
  certificate: await issueIntermediate({
    root,
    member,
    mesh,
    spki: spkiOf(issuerSigner.publicKey),
    nowMs,
  }),
};
const key = newPrivateKey();
const leaf = await issueSvid({
  issuer,
  id: infrastructureSpiffeId(trustDomain, "catalog"),
  spki: spkiOf(signerOf(key).publicKey),
  nowMs,
});
const charter: Charter = {
  schema: 1,
  mesh,
  number: 1,
  members: [
    {
      name: member,
      cloud: "aws",
      region: "us-east-1",
      network: parseNetworkName("east"),
      gatewayRanges: ["10.0.0.0/8"],
      mayExport: ["*"],
      issuers: [issuerSigner.keyId],
      state: "active",
    },
  ],
  bundle: [],
  rotationStep: "idle",
  operators: [],
  timeMs: nowMs,
};
const bundle = bundleOf([root.certificate.der]);
const verifier = createVerifier({ mesh, bundle: () => bundle, charter: () => charter });
const sign: Sign = async (bytes) => ({
  bytes: signBytes("sha256", bytes, key),
  chain: [leaf.der, issuer.certificate.der],
});

function serviceAt(index: number, healthy: number): LocalService {
  const endpoints = Array.from({ length: 6 }, (_, at): Endpoint => {
    const address = `10.${(index >> 8) & 255}.${index & 255}.${at}`;
    return {
      workload: `s-${index}-${at}`,
      address,
      ports: { http: 8080 },
      zone: at % 2 === 0 ? "us-east-1a" : "us-east-1b",
      health: at < healthy ? "healthy" : "unhealthy",
      serviceAccount: "shop",
      sidecars: { http: { address, port: 15_006 } },
    };
  });
  return {
    id: parseServiceId(`shop/service-${index}`),
    type: "ClusterSetIP",
    ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
    endpoints,
    exported: { createdAtMs: nowMs },
  };
}

interface Pair {
  readonly writer: OwnShard;
  readonly reader: RemoteShard;
  readonly signHead: (head: Head) => Promise<SignedHead>;
}

function headOf(writer: OwnShard, seq: number): Head {
  return {
    mesh,
    member,
    epoch: nowMs,
    seq,
    beat: seq,
    leaseMs: 10_000,
    buckets: writer.content.count(),
    digest: writer.content.digest(),
    timeMs: nowMs,
    owner: { instance: "bench", host: "bench" },
  };
}

function newReader(): RemoteShard {
  return createRemoteShard({
    mesh,
    member,
    verify: verifier.verifySignature,
    checkClaim: (of, claim) => judgeClaim(charter, { member: of, claim }),
  });
}

async function pairOf(services: number): Promise<Pair> {
  const writer = createOwnShard({ exportOptions: () => ({ trustDomain, isNetworkShared: false }) });
  writer.stageAll(
    Array.from({ length: services }, (_, index) => serviceAt(index, 6)),
    0,
  );
  writer.takeBatch(0);
  const signHead = createHeadSigner(sign);
  const reader = newReader();
  const snapshot = { records: recordsIn(writer), head: await signHead(headOf(writer, 1)) };
  const { change } = reader.take({ t: "snapshot", snapshot }, { nowMs, monotonicMs: 0 });
  if (change?.services.size !== services) throw new Error("the reader did not take the shard");
  return { writer, reader, signHead };
}

function recordsIn(writer: OwnShard): RawRecords {
  return new Map(writer.content.entries());
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** ms of CPU per change, at the writer and at the reader. */
async function changes(
  pair: Pair,
  from: { services: number; seq: number },
): Promise<[number, number]> {
  const entries: LogEntry[] = [];
  const writeUs = cpuUs();
  for (let step = 0; step < changesPerRound; step += 1) {
    const seq = from.seq + step;
    const at = seq * 10_000;
    const service = serviceAt((seq * 7919) % from.services, seq % 2 === 0 ? 6 : 5);
    pair.writer.stage({ upserts: [service], removed: [] }, at);
    const batch = pair.writer.takeBatch(at) ?? { changed: new Map(), removed: [] };
    const head = await pair.signHead(headOf(pair.writer, seq));
    entries.push({
      t: "delta",
      member,
      cursor: "",
      changed: batch.changed,
      removed: batch.removed,
      head,
    });
  }
  const readUs = cpuUs();
  for (const entry of entries) {
    const outcome = pair.reader.take({ t: "entry", entry }, { nowMs, monotonicMs: 0 });
    if (outcome.isBehind || outcome.problem !== undefined)
      throw new Error("a change was not taken");
  }
  const endUs = cpuUs();
  return [readUs - writeUs, endUs - readUs].map((us) => us / 1000 / changesPerRound) as [
    number,
    number,
  ];
}

const figures: Figure[] = [];
for (const services of sizes) {
  const pair = await pairOf(services);
  const written: number[] = [];
  const read: number[] = [];
  for (let round = -3; round < rounds; round += 1) {
    const [writeMs, readMs] = await changes(pair, {
      services,
      seq: 2 + (round + 3) * changesPerRound,
    });
    // The first rounds warm the compiler.
    if (round < 0) continue;
    written.push(writeMs);
    read.push(readMs);
  }
  const unit = "ms of CPU";
  const target = { atMost: 0.3 };
  figures.push({ name: `write one change, ${services} services`, unit, samples: written, target });
  figures.push({ name: `read one change, ${services} services`, unit, samples: read, target });
}

const { writer, signHead } = await pairOf(5000);
const snapshot = { records: recordsIn(writer), head: await signHead(headOf(writer, 1)) };
const cold = Array.from({ length: rounds }, () => {
  const reader = newReader();
  const startUs = cpuUs();
  reader.take({ t: "snapshot", snapshot }, { nowMs, monotonicMs: 0 });
  return (cpuUs() - startUs) / 1000;
});
figures.push({
  name: "cold read and check of 5,000 records",
  unit: "ms of CPU",
  samples: cold,
  target: { atMost: 100 },
});

const sample = exportOf(serviceAt(1, 6), { trustDomain, isNetworkShared: false });
report({
  claim: "one catalog change costs at most 0.3 ms of CPU whatever the shard's size",
  setup: {
    changesPerRound,
    recordBytes: [...(sample?.encoded.values() ?? [])][0]?.length ?? 0,
    signature: "ECDSA P-256, one per change",
  },
  figures,
});
