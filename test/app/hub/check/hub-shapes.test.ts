// `isthmus hub check` against real servers of every shape.
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { HubConfig } from "../../../../src/app/config/config.ts";
import { aclLine } from "../../../../src/app/hub/acl/acl-text.ts";
import { type CheckedHub, checkHubs } from "../../../../src/app/hub/check/check-hubs.ts";
import { memberCommands, memberKeyRules } from "../../../../src/app/hub/mesh-rights.ts";
import { parseMemberName, parseMeshDomain } from "../../../../src/mesh/ids.ts";
import { until } from "../../../support/redis/redis-process.ts";
import {
  openCluster,
  openSentinel,
  openStandalone,
  openTls,
} from "../../../support/redis/topologies.ts";

const mesh = parseMeshDomain("acme.mesh");
const east = parseMemberName("east");

async function check(hub: HubConfig): Promise<CheckedHub> {
  const target = { hubs: [hub], mesh, member: east, charter: undefined, charterProblem: undefined };
  const [checked] = await checkHubs(target);
  assert.ok(checked !== undefined);
  return checked;
}

function codesOf({ findings }: CheckedHub): readonly string[] {
  return findings.map(({ code, severity }) => `${severity} ${code}`);
}

/** A user as `hub acl` prints it, with another password or other commands. */
function userLine(change: { readonly password: string; readonly without?: string }): string {
  const commands = memberCommands.filter((command) => command !== change.without);
  const rules = ["resetchannels", ...memberKeyRules(mesh, east), "-@all"];
  const user = { name: east, member: east, isOn: true };
  const full = { ...user, rules: [...rules, ...commands.map((command) => `+${command}`)] };
  return aclLine(full, [hash("sha256", change.password, "hex")]);
}

test("checkHubs() reads a standalone server, and changes nothing in it", async () => {
  await using shape = await openStandalone(["--maxmemory", "64mb"]);
  const [server] = shape.servers;
  await server?.cli("SET", "isthmus:{acme.mesh}:east:head", "x");
  await server?.cli("HSET", "isthmus:{acme.mesh}:east:records", "member", "{}");
  const before = await server?.cli("ACL", "LIST");
  const checked = await check(shape.hub);
  assert.deepEqual(codesOf(checked), ["warning HUB_RIGHTS_WIDE"]);
  const { facts } = checked;
  assert.equal(facts?.shape, "standalone");
  assert.ok((facts?.latency.p99Ms ?? 0) > 0);
  assert.ok(facts?.skewMs.t === "told" && Math.abs(facts.skewMs.value) < 5000);
  const content = facts?.content.t === "told" ? facts.content.value : [];
  assert.deepEqual(
    content.map((one) => [one.mesh, one.members.map(({ member, records }) => [member, records])]),
    [["acme.mesh", [["east", 1]]]],
  );
  assert.equal(await server?.cli("DBSIZE"), "2");
  assert.equal(await server?.cli("ACL", "LIST"), before);
  assert.equal(
    await server?.cli("CONFIG", "GET", "maxmemory-policy"),
    "maxmemory-policy\nnoeviction",
  );
});

test("checkHubs() refuses a server that evicts", async () => {
  await using shape = await openStandalone([
    "--maxmemory",
    "64mb",
    "--maxmemory-policy",
    "allkeys-lru",
  ]);
  assert.deepEqual(codesOf(await check(shape.hub)), [
    "error HUB_EVICTS",
    "warning HUB_RIGHTS_WIDE",
  ]);
});

test("checkHubs() refuses a replica, and sends it no writes to ask", async () => {
  await using primary = await openStandalone();
  const port = primary.servers[0]?.port ?? 0;
  await using replica = await openStandalone(["--replicaof", `127.0.0.1 ${port}`]);
  const codes = codesOf(await check(replica.hub));
  assert.ok(codes.includes("error HUB_READ_ONLY"), codes.join());
});

test("checkHubs() over TLS sees the certificate's end, and a member that is confined", async () => {
  await using shape = await openTls();
  await shape.setUsers([userLine({ password: "pw" })]);
  const passwordFile = await shape.writeSecret("east.pw", "pw\n");
  const checked = await check({ ...shape.hub, username: "east", passwordFile });
  const { facts } = checked;
  assert.equal(facts?.transport.t, "tls");
  assert.deepEqual(
    facts?.rights.beyond.map(({ verdict }) => verdict),
    facts?.rights.beyond.map(() => "denied"),
  );
  assert.deepEqual(
    facts?.rights.needed.map(({ verdict }) => verdict),
    ["allowed", "allowed", "allowed"],
  );
  // The test's certificate ends in a day; a member cannot see the settings.
  assert.deepEqual(codesOf(checked), [
    "error HUB_CERTIFICATE_ENDS",
    "info HUB_MEMORY_UNBOUNDED",
    "info HUB_CANNOT_TELL",
  ]);
});

test("checkHubs() says what a member's user lacks", async () => {
  await using shape = await openTls();
  await shape.setUsers([userLine({ password: "pw", without: "zadd" })]);
  const passwordFile = await shape.writeSecret("east.pw", "pw\n");
  const { findings } = await check({ ...shape.hub, username: "east", passwordFile });
  const missing = findings.find(({ code }) => code === "HUB_RIGHTS_MISSING");
  assert.match(missing?.message ?? "", /pass the charter on/);
});

test("checkHubs() asks by a transaction that it discards, where no dry run is allowed", async () => {
  await using shape = await openTls();
  await shape.setUsers(["user wide on >pw ~* &* +@all -acl"]);
  const [server] = shape.servers;
  const head = "isthmus:{acme.mesh}:isthmus-nobody:head";
  await server?.cli("SET", head, "theirs");
  await server?.cli("CONFIG", "RESETSTAT");
  const passwordFile = await shape.writeSecret("wide.pw", "pw\n");
  const { facts } = await check({ ...shape.hub, username: "wide", passwordFile });
  const verdicts = new Map(facts?.rights.beyond.map(({ what, verdict }) => [what, verdict]));
  assert.equal(verdicts.get("FLUSHALL"), "allowed");
  assert.equal(verdicts.get("write the keys of other members"), "allowed");
  assert.equal(verdicts.get("change users"), "denied");
  assert.equal(await server?.cli("GET", head), "theirs");
  assert.equal(await server?.cli("DBSIZE"), "1");
  const stats = (await server?.cli("INFO", "commandstats")) ?? "";
  assert.doesNotMatch(
    stats,
    /cmdstat_(?:flushall|del|hset|xadd|eval|exec|config\|set):calls=[1-9]/,
  );
});

test("checkHubs() degrades to what it cannot tell, with a login that may only do the store's work", async () => {
  await using shape = await openTls();
  const only = "ping eval evalsha eval_ro get getrange set del type hset xadd xread zadd".split(
    " ",
  );
  const [line] = userLine({ password: "pw" }).split(" -@all");
  await shape.setUsers([`${line} -@all ${only.map((command) => `+${command}`).join(" ")}`]);
  const passwordFile = await shape.writeSecret("east.pw", "pw\n");
  const checked = await check({ ...shape.hub, username: "east", passwordFile });
  const { facts } = checked;
  assert.equal(facts?.nodes[0].info.t, "untold");
  assert.equal(facts?.content.t, "untold");
  assert.deepEqual(
    new Set(
      [...(facts?.rights.needed ?? []), ...(facts?.rights.beyond ?? [])].map(
        ({ verdict }) => verdict,
      ),
    ),
    new Set(["unknown"]),
  );
  const kinds = checked.findings.filter(({ code }) => code !== "HUB_CERTIFICATE_ENDS");
  assert.deepEqual(
    new Set(kinds.map(({ code, severity }) => `${severity} ${code}`)),
    new Set(["info HUB_CANNOT_TELL"]),
  );
});

test("checkHubs() degrades where a managed server has no CONFIG, ACL and MULTI at all", async () => {
  const hidden = ["CONFIG", "ACL", "MULTI", "MEMORY", "TIME"].flatMap((name) => [
    "--rename-command",
    name,
    "",
  ]);
  await using shape = await openStandalone(["--maxmemory", "64mb", ...hidden]);
  const checked = await check(shape.hub);
  assert.ok(
    checked.findings.every(({ code }) => code === "HUB_CANNOT_TELL"),
    codesOf(checked).join(),
  );
  assert.equal(checked.facts?.skewMs.t, "untold");
});

test("checkHubs() survives a server that answers nonsense", async () => {
  for (const reply of ["+PONG\r\n", "*2\r\n*1\r\n$3\r\na\u001bb\r\n:7\r\n", "$-1\r\n"]) {
    await using server = await startLiar(reply);
    const checked = await check({ url: `redis://127.0.0.1:${server.port}`, name: "liar" });
    assert.ok(checked.findings.length > 0);
    const texts = checked.findings.flatMap(({ message, subject }) => [message, subject]);
    assert.doesNotMatch(texts.join(""), /\p{Cc}/u);
  }
});

test("checkHubs() cuts a server that answers without end, or without being asked", async () => {
  for (const reply of [
    "$999999999999\r\n",
    "*999999999\r\n",
    "+x\r\n+x\r\n+x\r\n",
    "not redis\r\n",
  ]) {
    await using server = await startLiar(reply);
    const checked = await check({ url: `redis://127.0.0.1:${server.port}`, name: "liar" });
    assert.deepEqual(codesOf(checked), ["error HUB_STRANGE"], reply);
  }
});

test("checkHubs() tells a wrong password, a wrong CA, a wrong name and plain TCP apart", async () => {
  await using shape = await openTls();
  const wrong = await shape.writeSecret("wrong.pw", "no\n");
  const { hub } = shape;
  const cases = [
    [{ ...hub, passwordFile: wrong }, "error HUB_LOGIN_REFUSED"],
    [{ ...hub, passwordFile: "/nowhere/pw" }, "error HUB_LOGIN_REFUSED"],
    [{ ...hub, caFile: shape.files.certFile }, "error HUB_TLS_REFUSED"],
    [{ ...hub, serverName: "other.test" }, "error HUB_TLS_REFUSED"],
  ] as const;
  for (const [one, expected] of cases) {
    const checked = await check(one);
    assert.deepEqual(codesOf(checked), [expected]);
    assert.equal(checked.isReachable, true);
  }
  const plain = await check({ url: hub.url.replace("rediss", "redis"), name: "plain" });
  assert.deepEqual(codesOf(plain), ["error HUB_UNREACHABLE"]);
  assert.match(plain.findings[0]?.message ?? "", /rediss/);
});

test("checkHubs() says that nobody answers, and that somebody else does", async () => {
  await using shape = await openStandalone();
  const [server] = shape.servers;
  const url = shape.hub.url.replace("redis://", "redis+cluster://");
  assert.deepEqual(codesOf(await check({ url, name: "no cluster" })), ["error HUB_STRANGE"]);
  const sentinel = `${shape.hub.url.replace("redis://", "redis+sentinel://")}/mesh`;
  assert.deepEqual(codesOf(await check({ url: sentinel, name: "no sentinel" })), [
    "error HUB_NO_PRIMARY",
  ]);
  await server?.kill();
  const away = await check(shape.hub);
  assert.deepEqual(codesOf(away), ["error HUB_UNREACHABLE"]);
  assert.equal(away.isReachable, false);
});

test("checkHubs() gives up a server that hangs", async () => {
  await using shape = await openStandalone();
  const [server] = shape.servers;
  server?.stop();
  const checked = await check(shape.hub);
  server?.cont();
  assert.deepEqual(codesOf(checked), ["error HUB_UNREACHABLE"]);
});

test("checkHubs() follows Sentinels to the primary and looks at its replicas too", async () => {
  await using shape = await openSentinel();
  const checked = await check(shape.hub);
  assert.equal(checked.facts?.nodes.length, 3);
  assert.deepEqual(checked.facts?.sentinel, { master: "mesh", reachable: 3, known: 3, quorum: 2 });
  await shape.servers[1]?.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-random");
  await shape.sentinels[0]?.kill();
  await shape.sentinels[1]?.kill();
  const worse = codesOf(await check(shape.hub));
  assert.ok(worse.includes("error HUB_EVICTS"), worse.join());
  assert.ok(worse.includes("warning HUB_SENTINELS_FEW"), worse.join());
  assert.ok(!codesOf(checked).some((code) => code.startsWith("error")));
});

test("checkHubs() says that the Sentinels know no such master", async () => {
  await using shape = await openSentinel();
  const url = shape.hub.url.replace("/mesh", "/mush");
  assert.deepEqual(codesOf(await check({ url, name: "sentinel" })), ["error HUB_NO_PRIMARY"]);
});

test("checkHubs() asks the cluster's server that has the mesh's slot", async () => {
  await using shape = await openCluster();
  const master = await shape.master("acme.mesh");
  await master.cli("SET", "isthmus:{acme.mesh}:east:head", "x");
  // A node names a replica only when gossip has brought its offset.
  await until("the replica is named", async () => {
    const { facts } = await check(shape.hub);
    return facts?.nodes.length === 2;
  });
  const checked = await check(shape.hub);
  const { facts } = checked;
  assert.equal(facts?.nodes[0].node, `127.0.0.1:${master.port}`);
  assert.equal(facts?.cluster?.state, "ok");
  assert.equal(facts?.content.t === "told" && facts.content.value[0]?.members.length, 1);
  assert.ok(!codesOf(checked).some((code) => code.startsWith("error")), codesOf(checked).join());
});

/** Answers every chunk with the same. */
async function startLiar(reply: string): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      // One answer for each command of a pipeline.
      const commands = chunk
        .toString("latin1")
        .split("\r\n")
        .filter((line) => line.startsWith("*"));
      socket.write(reply.repeat(Math.max(1, commands.length)));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
