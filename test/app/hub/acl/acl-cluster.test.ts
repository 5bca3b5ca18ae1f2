// The users of `isthmus hub acl` in a cluster: members, and the servers among themselves.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeAcl } from "../../../../src/app/hub/acl/write-acl.ts";
import { checkHubs } from "../../../../src/app/hub/check/check-hubs.ts";
import { realClock, realTimers } from "../../../../src/app/real-time.ts";
import { makeMember, makeRoot } from "../../../../src/app/trust-tasks.ts";
import { openRedisStore } from "../../../../src/discovery/io/catalog/redis/redis-store.ts";
import { parseMemberName, parseMeshDomain } from "../../../../src/mesh/ids.ts";
import { openCluster } from "../../../support/redis/topologies.ts";
import { silentLog } from "../../support/test-mesh.ts";

const mesh = parseMeshDomain("acme.mesh");
const east = parseMemberName("east");
const west = parseMemberName("west");
const signal = new AbortController().signal;

test("in a cluster the printed users replicate, publish, follow and are confined", async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-acl-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const root = join(dir, "root");
  await makeRoot({ mesh, dir: root });
  for (const name of [east, west]) {
    const none = { cloud: undefined, region: undefined, network: undefined };
    const rest = { gatewayRanges: [], mayExport: [], renew: false };
    await makeMember({ name, dir: root, out: join(dir, name), ...none, ...rest });
  }
  const passwordDir = join(dir, "passwords");
  const words = { charter: root, config: undefined, passwordDir, isWhole: true, hasReplicas: true };
  const answer = await writeAcl(words);
  assert.ok(answer.t === "ok");
  const file = join(dir, "users.acl");
  await writeFile(file, answer.acl.users.map(({ line }) => `${line}\n`).join(""));
  const passwordOf = async (user: string): Promise<string> =>
    (await readFile(join(passwordDir, `${user}.password`), "utf8")).trim();

  const replica = {
    "--masteruser": "isthmus_replica",
    "--masterauth": await passwordOf("isthmus_replica"),
  };
  const operator = { "--user": "isthmus_operator", "--pass": await passwordOf("isthmus_operator") };
  const cluster = await openCluster({
    args: Object.entries({ "--aclfile": file, ...replica }).flat(),
    cliArgs: Object.entries(operator).flat().concat("--no-auth-warning"),
  });
  stack.use(cluster);
  const hubAs = (username: string): Parameters<typeof openRedisStore>[0] => ({
    ...cluster.hub,
    username,
    passwordFile: join(passwordDir, `${username}.password`),
  });
  const deps = { mesh, clock: realClock, timers: realTimers, random: Math.random, log: silentLog };
  const [writer, reader] = [openRedisStore(hubAs(east), deps), openRedisStore(hubAs(west), deps)];
  stack.use(writer);
  stack.use(reader);
  const head = { bytes: Buffer.from("h"), signature: { bytes: Buffer.from("s"), chain: [] } };
  const write = {
    t: "whole",
    expected: undefined,
    position: { epoch: 1, seq: 1, digest: "d" },
    changed: new Map([["member", Buffer.from("{}")]]),
    removed: [],
    head,
  } as const;
  assert.deepEqual(await writer.publish({ ...write, member: east }, signal), { t: "stored" });
  assert.equal((await reader.readSnapshot(east, signal))?.records.size, 1);
  await assert.rejects(writer.publish({ ...write, member: west }, signal), /NOPERM/);

  const target = {
    hubs: [hubAs(east)],
    mesh,
    member: east,
    charter: undefined,
    charterProblem: undefined,
  };
  const [checked] = await checkHubs(target);
  const rights = checked?.facts?.rights;
  assert.ok(rights?.needed.every(({ verdict }) => verdict === "allowed"));
  assert.ok(rights?.beyond.every(({ verdict }) => verdict === "denied"));
  assert.equal(checked?.facts?.cluster?.state, "ok");
});
