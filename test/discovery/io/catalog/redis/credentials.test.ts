import assert from "node:assert/strict";
import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { inspect } from "node:util";
import { HubFailure } from "../../../../../src/discovery/io/catalog/redis/link/hub-failure.ts";
import type { RedisHub } from "../../../../../src/discovery/io/catalog/redis/redis-hub.ts";
import { openRedisStore } from "../../../../../src/discovery/io/catalog/redis/redis-store.ts";
import type { RedisProcess } from "../../../../support/redis/redis-process.ts";
import { until } from "../../../../support/redis/redis-process.ts";
import { writeTlsFiles } from "../../../../support/redis/tls-files.ts";
import {
  openCluster,
  openSentinel,
  openTls,
  type TlsShape,
} from "../../../../support/redis/topologies.ts";
import { at, east, eventually, force, noSignal, recordsIn, west, writeOf } from "./made-writes.ts";
import { storeDeps, testMesh } from "./store-deps.ts";

const rights =
  "+eval +evalsha +eval_ro +evalsha_ro +get +getrange +set +del +type +hset +hdel +hlen +hgetall +xadd +xread +zadd +zrevrangebyscore";
const keys = (member: string): string =>
  `%R~isthmus:{${testMesh}}:* %RW~isthmus:{${testMesh}}:${member}:* ~isthmus:{${testMesh}}:charters`;
const user = (member: string, ...passwords: readonly string[]): string =>
  `user ${member} on ${passwords.map((each) => `>${each}`).join(" ")} ${keys(member)} ${rights}`;

let shape: TlsShape;
let server: RedisProcess;

before(async () => {
  shape = await openTls([user("east", "first")]);
  [server = server] = shape.servers;
});
after(() => shape[Symbol.asyncDispose]());

async function eastHub(password: string, more: Partial<RedisHub> = {}): Promise<RedisHub> {
  const name = `east-${Math.random()}.pw`;
  const passwordFile = await shape.writeSecret(name, `${password}\n`);
  return { ...shape.hub, username: "east", passwordFile, ...more };
}

/** Replaced as careful tools do: the new file under another name, then renamed. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** Why the first call fails. */
async function refusalAt(hub: RedisHub): Promise<{ failure: HubFailure; said: string }> {
  await using store = openRedisStore(hub, storeDeps());
  try {
    await store.readHeads([east], { signal: noSignal });
  } catch (thrown) {
    const cause = thrown instanceof Error ? thrown.cause : undefined;
    assert.ok(cause instanceof HubFailure, String(thrown));
    return { failure: cause, said: inspect(thrown, { depth: 9 }) };
  }
  throw new assert.AssertionError({ message: "the hub let us in" });
}

async function idsOf(one: RedisProcess, name: string): Promise<readonly string[]> {
  const lines = (await one.cli("CLIENT", "LIST")).split("\n");
  return lines
    .filter((line) => line.includes(` user=${name} `))
    .map((line) => line.split(" ")[0] ?? "");
}

function areNew(before: readonly string[], now: readonly string[]): boolean {
  return now.length > 0 && before.every((id) => !now.includes(id));
}

suite("a store's credentials", () => {
  test("a wrong password is refused with what to do, and without the password", async () => {
    const { failure, said } = await refusalAt(await eastHub("hunter2"));
    assert.equal(failure.kind, "auth");
    assert.match(said, /passwordFile/);
    assert.doesNotMatch(said, /hunter2/);
  });

  test("no password where one is needed is told from a wrong one", async () => {
    const { url, name, caFile = "" } = shape.hub;
    const { failure } = await refusalAt({ url, name, caFile });
    assert.equal(failure.word, "NOAUTH");
  });

  test("a password file that is missing or empty is named", async () => {
    const missing = await refusalAt({ ...shape.hub, passwordFile: join(shape.dir, "nowhere") });
    assert.match(missing.failure.message, /passwordFile cannot be read/);
    const empty = await refusalAt({ ...shape.hub, passwordFile: await shape.writeSecret("e", "") });
    assert.match(empty.failure.message, /it is empty/);
  });

  test("a server whose certificate another authority signed is refused", async () => {
    const { caFile } = await writeTlsFiles(join(shape.dir, "strangers"));
    const { failure } = await refusalAt({ ...shape.hub, caFile });
    assert.equal(failure.kind, "tls");
    assert.match(failure.message, /caFile/);
  });

  test("a server under another name is refused, and accepted where serverName says so", async () => {
    const named = { ...shape.hub, url: shape.hub.url.replace("127.0.0.1", "localhost") };
    const { failure } = await refusalAt({ ...named, serverName: "other.test" });
    assert.equal(failure.kind, "tls");
    for (const hub of [named, { ...shape.hub, serverName: "hub.test" }]) {
      await using store = openRedisStore(hub, storeDeps());
      await store.readHeads([east], { signal: noSignal });
    }
  });

  test("plain text to a TLS port, and TLS to a plain port, fail with a reason", async () => {
    const { failure } = await refusalAt({
      ...shape.hub,
      url: shape.hub.url.replace("rediss", "redis"),
    });
    assert.ok(["unreachable", "junk"].includes(failure.kind), failure.kind);
  });

  test("a client certificate is shown where the server wants one", async () => {
    const { certFile, keyFile } = shape.files;
    await server.cli("CONFIG", "SET", "tls-auth-clients", "yes");
    try {
      const { failure } = await refusalAt(await eastHub("first"));
      assert.ok(["tls", "unreachable"].includes(failure.kind), failure.message);
      const hub = await eastHub("first", { certFile, keyFile });
      await using store = openRedisStore(hub, storeDeps());
      await store.readHeads([east], { signal: noSignal });
    } finally {
      await server.cli("CONFIG", "SET", "tls-auth-clients", "optional");
    }
  });

  test("a member's user writes its own shard and nobody else's, and reads all", async () => {
    await using store = openRedisStore(await eastHub("first"), storeDeps());
    await force(store, { to: at(1, 1), changed: { a: "1" } });
    const charter = { bytes: Buffer.from("c"), signature: Buffer.from("s"), signer: "root" };
    await store.putCharter({ member: east, number: 1, charter }, noSignal);
    assert.equal((await store.readHeads([east, west], { signal: noSignal })).size, 1);
    assert.equal((await store.readCharters({ above: 0 }, noSignal)).length, 1);
    const foreign = writeOf("whole", { to: at(1, 1), member: west });
    await assert.rejects(store.publish(foreign, noSignal), (thrown: Error) => {
      assert.ok(thrown.cause instanceof HubFailure);
      assert.equal(thrown.cause.kind, "forbidden");
      assert.match(thrown.message, /isthmus hub acl/);
      return true;
    });
    // A refused right is no reason to leave the server.
    assert.equal((await store.readHeads([east], { signal: noSignal })).size, 1);
  });

  test("a password that is replaced at the server first is taken from its file without a restart", async () => {
    const hub = await eastHub("first");
    await using store = openRedisStore(hub, storeDeps());
    await store.readHeads([east], { signal: noSignal });
    // The server forgets the old one, and with it ends all connections of that user.
    await shape.setUsers([user("east", "second")]);
    await server.cli("CLIENT", "KILL", "USER", "east");
    await replace(hub.passwordFile ?? "", "second\n");
    await eventually(() => store.readHeads([east], { signal: noSignal }));
    await shape.setUsers([user("east", "first")]);
  });

  test("a password that both sides know is changed over without a failed call", async () => {
    await shape.setUsers([user("east", "first", "second")]);
    const hub = await eastHub("first");
    await using store = openRedisStore(hub, storeDeps());
    await force(store, { to: at(1, 1), changed: { n: "1" } });
    const before = await idsOf(server, "east");
    await replace(hub.passwordFile ?? "", "second\n");
    let seq = 1;
    await until("the connections are new", async () => {
      seq += 1;
      const step = { from: at(1, seq - 1), to: at(1, seq), changed: { n: String(seq) } };
      const result = await store.publish(writeOf("delta", step), noSignal);
      // `until` forgives what is thrown: a failed call would show in the next one's position.
      assert.deepEqual(result, { t: "stored" });
      return areNew(before, await idsOf(server, "east"));
    });
    assert.deepEqual(await recordsIn(store), { n: String(seq) });
    await shape.setUsers([user("east", "first")]);
  });

  test("a new password that the server refuses does not cost the connection that works", async () => {
    const hub = await eastHub("first");
    const warnings: string[] = [];
    const deps = storeDeps();
    const log = { ...deps.log, warn: (_: object, message: string) => warnings.push(message) };
    await using store = openRedisStore(hub, { ...deps, log });
    await store.readHeads([east], { signal: noSignal });
    await replace(hub.passwordFile ?? "", "typed wrongly\n");
    await until("it was tried", () => Promise.resolve(warnings.length > 0));
    await store.readHeads([east], { signal: noSignal });
    assert.match(warnings[0] ?? "", /credentials/);
    assert.match(store.refusal?.() ?? "", /passwordFile/);
    await replace(hub.passwordFile ?? "", "first\n");
    await until("it is taken", () => Promise.resolve(store.refusal?.() === undefined));
  });

  test("a server's new authority is taken from caFile without a restart", async () => {
    const next = await writeTlsFiles(join(shape.dir, "next"));
    const [oldCa, newCa] = await Promise.all([
      readFile(shape.files.caFile, "utf8"),
      readFile(next.caFile, "utf8"),
    ]);
    const caFile = join(shape.dir, "ca-of-east.pem");
    await writeFile(caFile, oldCa);
    await using store = openRedisStore(await eastHub("first", { caFile }), storeDeps());
    await store.readHeads([east], { signal: noSignal });
    const before = await idsOf(server, "east");
    await replace(caFile, oldCa + newCa);
    await until("the connections are new", async () => areNew(before, await idsOf(server, "east")));
    await server.kill();
    for (const file of ["serverCertFile", "serverKeyFile", "caFile"] as const) {
      await copyFile(next[file], shape.files[file]);
    }
    await server.start();
    await eventually(() => store.readHeads([east], { signal: noSignal }));
  });

  for (const areSentinelsOpen of [true, false]) {
    const who = areSentinelsOpen ? "let everybody ask are told none" : "want the password get it";
    test(`sentinels that ${who}, also after a failover`, async () => {
      await using shaped = await openSentinel({ password: "first", areSentinelsOpen });
      const passwordFile = join(shaped.dir, "pw");
      await writeFile(passwordFile, "first\n");
      await using store = openRedisStore({ ...shaped.hub, passwordFile }, storeDeps());
      await force(store, { to: at(1, 1), changed: { a: "1" } });
      await (await shaped.master(testMesh)).kill();
      await eventually(async () => {
        assert.equal((await force(store, { to: at(2, 1), changed: { a: "2" } })).t, "stored");
      });
    });
  }

  test("a cluster's nodes get the new password, also one that is met later", async () => {
    const admin = ["--user", "admin", "on", ">adminpw", "~*", "&*", "+@all"];
    await using cluster = await openCluster({
      args: [
        ...admin,
        "--masteruser",
        "admin",
        "--masterauth",
        "adminpw",
        "--requirepass",
        "first",
      ],
      cliArgs: ["--user", "admin", "--pass", "adminpw", "--no-auth-warning"],
    });
    const passwordFile = join(cluster.dir, "pw");
    await writeFile(passwordFile, "first\n");
    await using store = openRedisStore({ ...cluster.hub, passwordFile }, storeDeps());
    await force(store, { to: at(1, 1), changed: { a: "1" } });
    for (const node of cluster.servers) {
      await node.cli("ACL", "SETUSER", "default", "resetpass", ">second");
      await node.cli("CLIENT", "KILL", "USER", "default");
    }
    await replace(passwordFile, "second\n");
    await eventually(() => force(store, { to: at(2, 1), changed: { a: "2" } }));
    await (await cluster.master(testMesh)).kill();
    await eventually(async () => {
      assert.equal((await force(store, { to: at(3, 1), changed: { a: "3" } })).t, "stored");
    });
  });
});
