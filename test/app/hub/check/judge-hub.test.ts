import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type HubFacts,
  type NodeFacts,
  told,
  untold,
} from "../../../../src/app/hub/check/hub-facts.ts";
import { judgeHub } from "../../../../src/app/hub/check/judge-hub.ts";
import { parseMemberName, parseMeshDomain } from "../../../../src/mesh/ids.ts";

const nowMs = Date.UTC(2026, 10, 21, 12);
const dayMs = 86_400_000;
const east = parseMemberName("east");

const goodInfo = {
  redis_version: "7.0.15",
  role: "master",
  used_memory: "1000000",
  maxmemory: "100000000",
  maxmemory_policy: "noeviction",
  aof_enabled: "1",
  loading: "0",
  rdb_last_bgsave_status: "ok",
  aof_last_write_status: "ok",
};

function nodeOf(
  info: Readonly<Record<string, string>> = {},
  settings: Readonly<Record<string, string>> = { save: "3600 1" },
): NodeFacts {
  return {
    node: "h:1",
    info: told(new Map(Object.entries({ ...goodInfo, ...info }))),
    settings: new Map(Object.entries(settings).map(([name, value]) => [name, told(value)])),
  };
}

const good: HubFacts = {
  shape: "standalone",
  transport: { t: "tls", protocol: "TLSv1.3", certificateEndsMs: nowMs + 100 * dayMs },
  nodes: [nodeOf()],
  silent: [],
  latency: { pings: 30, p50Ms: 1, p99Ms: 3 },
  skewMs: told(5),
  rights: {
    user: told("east"),
    isAnonymous: false,
    member: east,
    needed: [{ what: "publish its shard", verdict: "allowed" }],
    beyond: [{ what: "FLUSHALL", verdict: "denied" }],
  },
  sentinel: undefined,
  cluster: undefined,
  content: told([
    {
      mesh: parseMeshDomain("acme.mesh"),
      members: [{ member: east, records: 3, logEntries: 9, bytes: 700 }],
      absent: [],
    },
  ]),
};

function codesOf(change: Partial<HubFacts>): readonly string[] {
  const reading = { t: "read", facts: { ...good, ...change } } as const;
  return judgeHub(reading, { hub: "hub", nowMs }).map(
    ({ code, severity }) => `${severity} ${code}`,
  );
}

test("judgeHub() finds nothing in a hub that is fit", () => {
  assert.deepEqual(codesOf({}), []);
});

const rights = good.rights;
const cases: readonly (readonly [string, Partial<HubFacts>, readonly string[]])[] = [
  [
    "an evicting policy",
    { nodes: [nodeOf({ maxmemory_policy: "allkeys-lru" })] },
    ["error HUB_EVICTS"],
  ],
  [
    "a policy that evicts only keys with a time to live",
    { nodes: [nodeOf({ maxmemory_policy: "volatile-ttl" })] },
    ["error HUB_EVICTS"],
  ],
  [
    "an evicting policy of a replica, which may be the primary tomorrow",
    { nodes: [nodeOf(), nodeOf({ role: "slave", maxmemory_policy: "allkeys-lfu" })] },
    ["error HUB_EVICTS"],
  ],
  ["no limit of memory", { nodes: [nodeOf({ maxmemory: "0" })] }, ["info HUB_MEMORY_UNBOUNDED"]],
  [
    "memory that runs short",
    { nodes: [nodeOf({ used_memory: "85000000" })] },
    ["warning HUB_MEMORY_FULL"],
  ],
  [
    "memory that is all but full",
    { nodes: [nodeOf({ used_memory: "96000000" })] },
    ["error HUB_MEMORY_FULL"],
  ],
  [
    "a version without what is needed",
    { nodes: [nodeOf({ redis_version: "5.0.14" })] },
    ["error HUB_VERSION_OLD"],
  ],
  [
    "a version without key rights",
    { nodes: [nodeOf({ redis_version: "6.2.14" })] },
    ["warning HUB_VERSION_OLD"],
  ],
  [
    "a fork by what it behaves like",
    { nodes: [nodeOf({ redis_version: "7.2.4", valkey_version: "8.1.0" })] },
    [],
  ],
  ["a server that loads", { nodes: [nodeOf({ loading: "1" })] }, ["error HUB_READ_ONLY"]],
  ["a replica", { nodes: [nodeOf({ role: "slave", master_host: "m" })] }, ["error HUB_READ_ONLY"]],
  [
    "too few replicas in step",
    {
      nodes: [nodeOf({ min_slaves_good_slaves: "0" }, { save: "", "min-replicas-to-write": "1" })],
    },
    ["error HUB_READ_ONLY"],
  ],
  [
    "a disk that fails its snapshots",
    { nodes: [nodeOf({ rdb_last_bgsave_status: "err" })] },
    ["error HUB_DISK_FAILS"],
  ],
  [
    "a disk that fails its snapshots, where that stops nothing",
    {
      nodes: [nodeOf({ rdb_last_bgsave_status: "err" }, { "stop-writes-on-bgsave-error": "no" })],
    },
    ["warning HUB_DISK_FAILS"],
  ],
  [
    "a disk that fails the append-only file",
    { nodes: [nodeOf({ aof_last_write_status: "err" })] },
    ["error HUB_DISK_FAILS"],
  ],
  [
    "nothing kept",
    { nodes: [nodeOf({ aof_enabled: "0" }, { save: "" })] },
    ["info HUB_NOT_PERSISTENT"],
  ],
  [
    "what a managed server does not tell",
    { nodes: [{ node: "h:1", info: untold("NOPERM"), settings: new Map() }] },
    ["info HUB_CANNOT_TELL", "info HUB_CANNOT_TELL"],
  ],
  ["plain TCP", { transport: { t: "plain", isLoopback: false } }, ["warning HUB_PLAINTEXT"]],
  ["plain TCP on this machine", { transport: { t: "plain", isLoopback: true } }, []],
  [
    "a certificate that ends soon",
    { transport: { t: "tls", protocol: "TLSv1.3", certificateEndsMs: nowMs + 7 * dayMs } },
    ["warning HUB_CERTIFICATE_ENDS"],
  ],
  [
    "a certificate that ends now",
    { transport: { t: "tls", protocol: "TLSv1.3", certificateEndsMs: nowMs + dayMs } },
    ["error HUB_CERTIFICATE_ENDS"],
  ],
  [
    "rights that are missing",
    { rights: { ...rights, needed: [{ what: "publish its shard", verdict: "denied" }] } },
    ["error HUB_RIGHTS_MISSING"],
  ],
  [
    "rights that are too wide",
    { rights: { ...rights, beyond: [{ what: "FLUSHALL", verdict: "allowed" }] } },
    ["warning HUB_RIGHTS_WIDE"],
  ],
  [
    "rights that nobody tells",
    { rights: { ...rights, beyond: [{ what: "FLUSHALL", verdict: "unknown" }] } },
    ["info HUB_CANNOT_TELL"],
  ],
  ["a slow hub", { latency: { pings: 30, p50Ms: 500, p99Ms: 900 } }, ["warning HUB_SLOW"]],
  ["a clock that is ahead", { skewMs: told(31_000) }, ["warning HUB_CLOCK_SKEW"]],
  ["a clock that is behind", { skewMs: told(-600_000) }, ["warning HUB_CLOCK_SKEW"]],
  ["a clock within 30 s", { skewMs: told(-29_000) }, []],
  [
    "too few Sentinels",
    { sentinel: { master: "m", reachable: 2, known: 2, quorum: 1 } },
    ["warning HUB_SENTINELS_FEW"],
  ],
  [
    "Sentinels without a majority",
    { sentinel: { master: "m", reachable: 1, known: 3, quorum: 2 } },
    ["warning HUB_SENTINELS_FEW"],
  ],
  ["enough Sentinels", { sentinel: { master: "m", reachable: 2, known: 3, quorum: 2 } }, []],
  [
    "Sentinels that have nobody to choose",
    {
      sentinel: { master: "m", reachable: 3, known: 3, quorum: 2 },
      nodes: [nodeOf({ connected_slaves: "0" })],
    },
    ["warning HUB_REPLICA_ABSENT"],
  ],
  ["a single server without a replica", { nodes: [nodeOf({ connected_slaves: "0" })] }, []],
  [
    "a cluster that has lost slots",
    { cluster: { state: "fail", slotsCovered: 10_000, size: 3 } },
    ["error HUB_CLUSTER_BROKEN"],
  ],
  ["a replica that cannot be reached", { silent: ["h:2: away"] }, ["warning HUB_REPLICA_SILENT"]],
  [
    "members without a shard",
    { content: told([{ mesh: parseMeshDomain("acme.mesh"), members: [], absent: [east] }]) },
    ["info HUB_MEMBER_ABSENT"],
  ],
];

for (const [what, change, expected] of cases) {
  test(`judgeHub() on ${what}: ${expected.join(", ") || "nothing"}`, () => {
    assert.deepEqual(codesOf(change), expected);
  });
}

for (const [t, code] of [
  ["unreachable", "HUB_UNREACHABLE"],
  ["tls", "HUB_TLS_REFUSED"],
  ["login", "HUB_LOGIN_REFUSED"],
  ["busy", "HUB_READ_ONLY"],
  ["no-primary", "HUB_NO_PRIMARY"],
  ["strange", "HUB_STRANGE"],
] as const) {
  test(`judgeHub() says ${code} of a hub that is ${t}, and what to do`, () => {
    const [finding] = judgeHub(
      { t: "failed", trouble: { t, reason: "because" } },
      { hub: "hub", nowMs },
    );
    assert.equal(finding?.code, code);
    assert.equal(finding?.severity, "error");
    assert.ok((finding?.remedy.length ?? 0) > 10);
  });
}

test("judgeHub() puts what is refused first", () => {
  const codes = codesOf({
    nodes: [nodeOf({ maxmemory: "0", maxmemory_policy: "allkeys-lru" })],
    skewMs: told(99_000),
  });
  assert.deepEqual(codes, [
    "error HUB_EVICTS",
    "warning HUB_CLOCK_SKEW",
    "info HUB_MEMORY_UNBOUNDED",
  ]);
});
