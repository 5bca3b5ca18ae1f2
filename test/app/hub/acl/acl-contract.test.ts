// What `isthmus hub acl` prints, on a real server: enough for the store, and for nothing else.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { writeAcl } from "../../../../src/app/hub/acl/write-acl.ts";
import { readHub } from "../../../../src/app/hub/check/read-hub.ts";
import { memberCommands } from "../../../../src/app/hub/mesh-rights.ts";
import { parseInfo } from "../../../../src/app/hub/redis-info.ts";
import { isRefusal, openNode } from "../../../../src/app/hub/redis-node.ts";
import { realClock, realTimers } from "../../../../src/app/real-time.ts";
import { makeMember, makeRoot } from "../../../../src/app/trust-tasks.ts";
import { shardKeys } from "../../../../src/discovery/io/catalog/redis/keys.ts";
import { readAccess } from "../../../../src/discovery/io/catalog/redis/link/hub-access.ts";
import { openRedisStore } from "../../../../src/discovery/io/catalog/redis/redis-store.ts";
import type { CatalogStore } from "../../../../src/discovery/shards/store.ts";
import {
  type MemberName,
  type MeshDomain,
  parseMemberName,
  parseMeshDomain,
} from "../../../../src/mesh/ids.ts";
import { catalogStoreContract } from "../../../contract/catalog-store.ts";
import { openStandalone } from "../../../support/redis/topologies.ts";
import { silentLog } from "../../support/test-mesh.ts";

const east = parseMemberName("east");
const west = parseMemberName("west");
const dir = await mkdtemp(join(tmpdir(), "isthmus-acl-"));
const passwords = join(dir, "passwords");
const meshes = Array.from({ length: 40 }, (_, index) => parseMeshDomain(`m${index}.mesh`));
const server = await openStandalone(["--aclfile", await aclFile()]);
const address = { host: "127.0.0.1", port: server.servers[0]?.port ?? 0 };
after(async () => {
  await server[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

/** One file for many meshes, so that each test of the contract has an empty one; users of all are the same two. */
async function aclFile(): Promise<string> {
  const root = join(dir, "root");
  await makeRoot({ mesh: "m.mesh", dir: root });
  for (const name of [east, west]) await issue(root, name);
  const answer = await writeAcl({
    charter: root,
    config: undefined,
    passwordDir: passwords,
    isWhole: true,
    hasReplicas: false,
  });
  assert.equal(answer.t, "ok");
  const lines = answer.t === "ok" ? answer.acl.users.map(({ line }) => line) : [];
  const file = join(dir, "users.acl");
  await writeFile(file, lines.map((line) => `${widened(line)}\n`).join(""));
  return file;
}

/** The same rules for more meshes: only the key patterns are repeated. */
function widened(line: string): string {
  return line
    .split(" ")
    .flatMap((rule) =>
      rule.includes("{m.mesh}")
        ? [rule, ...meshes.map((mesh) => rule.replace("m.mesh", mesh))]
        : [rule],
    )
    .join(" ");
}

async function issue(root: string, name: string): Promise<void> {
  await makeMember({
    name,
    dir: root,
    out: join(dir, name),
    cloud: undefined,
    region: undefined,
    network: undefined,
    gatewayRanges: [],
    mayExport: [],
    renew: false,
  });
}

function hubAs(user: string): {
  url: string;
  name: string;
  username: string;
  passwordFile: string;
} {
  return {
    url: server.hub.url,
    name: user,
    username: user,
    passwordFile: join(passwords, `${user}.password`),
  };
}

function storeAs(user: MemberName, mesh: MeshDomain): CatalogStore {
  const timers = realTimers;
  return openRedisStore(hubAs(user), {
    mesh,
    clock: realClock,
    timers,
    random: Math.random,
    log: silentLog,
  });
}

/** Two agents behind one store: each member writes with its own login, east reads. */
function confinedStore(mesh: MeshDomain): CatalogStore {
  const stores = new Map([east, west].map((member) => [member, storeAs(member, mesh)]));
  const of = (member: MemberName): CatalogStore => stores.get(member) ?? assert.fail(member);
  const reader = of(east);
  return {
    ...reader,
    publish: (write, signal) => of(write.member).publish(write, signal),
    putCharter: (entry, signal) => of(entry.member).putCharter(entry, signal),
    [Symbol.asyncDispose]: async () => {
      for (const store of stores.values()) await store[Symbol.asyncDispose]();
    },
  };
}

let used = 0;
catalogStoreContract("redis, as users of `hub acl`", async () => {
  const mesh = meshes[used] ?? assert.fail("more meshes are needed");
  used += 1;
  return { connect: async () => confinedStore(mesh), close: async () => undefined };
});

const [mesh = parseMeshDomain("m.mesh")] = meshes;
const foreign = shardKeys(mesh, west);
const refused: readonly (readonly [string, ...string[]])[] = [
  ["SET", foreign.head, "x"],
  ["DEL", foreign.head],
  ["HSET", foreign.records, "member", "x"],
  ["XADD", foreign.log, "*", "a", "b"],
  ["EVAL", "return redis.call('DEL', KEYS[1])", "1", foreign.head],
  ["EVAL", `return redis.call('DEL', '${foreign.head}')`, "0"],
  ["EVAL", "return redis.call('FLUSHALL')", "0"],
  ["GET", "isthmus:{other.mesh}:west:head"],
  ["SET", "anything", "x"],
  ["FLUSHALL"],
  ["FLUSHDB"],
  ["CONFIG", "GET", "requirepass"],
  ["CONFIG", "SET", "maxmemory", "1"],
  ["PUBLISH", "news", "x"],
  ["SUBSCRIBE", "news"],
  ["KEYS", "*"],
  ["SCAN", "0"],
  ["ACL", "LIST"],
  ["ACL", "SETUSER", "east", "+@all"],
  ["SHUTDOWN"],
  ["CLUSTER", "RESET"],
  ["REPLICAOF", "127.0.0.1", "1"],
  ["SCRIPT", "FLUSH"],
  ["CLIENT", "LIST"],
  ["CLIENT", "KILL", "ID", "1"],
  ["MONITOR"],
  ["EXEC"],
];

for (const command of refused) {
  test(`a member's user may not ${command.slice(0, 3).join(" ")}`, async () => {
    const opened = await openNode({
      address,
      isTls: false,
      access: await readAccess(hubAs(east)),
    });
    assert.equal(opened.t, "open");
    if (opened.t !== "open") return;
    using node = opened.node;
    const [name, ...args] = command;
    await assert.rejects(node.call(name, ...args), (thrown) => {
      assert.ok(isRefusal(thrown), String(thrown));
      assert.match(thrown.message, /NOPERM|no permissions|user executing the script can't/);
      return true;
    });
  });
}

test("a member's user may read what other members wrote", async () => {
  await using writer = storeAs(west, mesh);
  await using reader = storeAs(east, mesh);
  const signal = AbortSignal.timeout(10_000);
  assert.equal(await reader.readSnapshot(parseMemberName("nobody"), signal), undefined);
  const signed = { bytes: Buffer.from("h"), signature: { bytes: Buffer.from("s"), chain: [] } };
  const position = { epoch: 9, seq: 1, digest: "d" };
  const before = await reader.readSnapshot(west, signal);
  const held = before === undefined ? undefined : { epoch: 1, seq: 1, digest: "1/1" };
  await writer.publish(
    {
      t: "whole",
      member: west,
      expected: held,
      position,
      changed: new Map(),
      removed: [],
      head: signed,
    },
    signal,
  );
  assert.equal((await reader.readHeads([west], { signal })).size, 1);
});

test("nobody gets in without a password, or with another's", async () => {
  const own = await readAccess(hubAs(east));
  const wrongs = [
    { ...own, password: undefined },
    { ...own, username: "west" },
    { ...own, username: undefined },
  ];
  for (const access of wrongs) {
    const opened = await openNode({ address, isTls: false, access });
    assert.equal(opened.t === "failed" && opened.trouble.t, "login");
  }
});

test("a member's user has no command that neither the store nor `hub check` uses", async () => {
  const reading = await readHub(hubAs(east), { mesh, member: east, members: [east, west] });
  assert.equal(reading.t, "read");
  const opened = await openNode({
    address,
    isTls: false,
    access: await readAccess(hubAs("isthmus_operator")),
  });
  assert.equal(opened.t, "open");
  if (opened.t !== "open") return;
  using node = opened.node;
  const stats = parseInfo(String(await node.call("INFO", "commandstats")));
  const unused = memberCommands.filter((command) => {
    const calls = Number(/calls=(\d+)/.exec(stats.get(`cmdstat_${command}`) ?? "")?.[1] ?? 0);
    return calls === 0;
  });
  // A cluster's; the tests of Redis's shapes use them.
  assert.deepEqual(
    unused.filter((command) => !command.startsWith("cluster|")),
    [],
  );
});
