// The commands about hubs, typed as an operator does, against a real Redis with real agents.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type RunningAgent, startAgent } from "../../../src/app/agent/agent.ts";
import { openHubs } from "../../../src/app/agent/hubs/open-hubs.ts";
import { loadAgentConfig } from "../../../src/app/config/load-config.ts";
import { silentLog } from "../../app/support/test-mesh.ts";
import { until } from "../../support/redis/redis-process.ts";
import { openStandalone } from "../../support/redis/topologies.ts";
import { type Printed, run } from "../fake-terminal.ts";

const manifest = `apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: multicluster.x-k8s.io/v1beta1
kind: ServiceExport
metadata: { name: cart, namespace: shop }
`;
const dir = await mkdtemp(join(tmpdir(), "isthmus-hub-cli-"));
const root = join(dir, "root");
const passwords = join(dir, "passwords");
const members = ["east", "west"] as const;
await using stack = new AsyncDisposableStack();
stack.defer(() => rm(dir, { recursive: true, force: true }));
const opened = stack.move();
after(() => opened.disposeAsync());

await ok(["trust", "init", "--mesh", "acme.mesh", "--dir", root]);
for (const name of members) {
  const trust = join(dir, name, "trust");
  await ok(["trust", "issue", "member", name, "--dir", root, "--out", trust, "--export", "shop"]);
  // Every folder holds the charter of its day; the root's is the newest.
  await mkdir(join(dir, name, "services"), { recursive: true });
}
const acl = await ok(["hub", "acl", "--charter", root, "--password-dir", passwords]);
await writeFile(join(dir, "users.acl"), acl.out);
const redis = opened.use(await openStandalone(["--aclfile", join(dir, "users.acl")]));
const [server] = redis.servers;
for (const name of members) await writeFile(join(dir, name, "agent.yaml"), agentYaml(name));
await writeFile(join(dir, "east", "services", "cart.yaml"), manifest);

function agentYaml(name: string): string {
  return `mesh: acme.mesh
member: { name: ${name}, cloud: onprem, region: ${name} }
trust: { dir: ./trust }
catalog:
  hubs: [{ url: "${redis.hub.url}", name: main, username: ${name}, passwordFile: ../passwords/${name}.password }]
  snapshotDir: ./state
sources: [{ files: ./services }]
xds: { listen: "127.0.0.1:0" }
http: { listen: "127.0.0.1:0" }
`;
}

async function ok(argv: readonly string[]): Promise<Printed> {
  const printed = await run(argv);
  assert.equal(printed.code, 0, printed.err + printed.out);
  return printed;
}

async function start(name: string): Promise<RunningAgent> {
  const parsed = loadAgentConfig(join(dir, name, "agent.yaml"));
  assert.ok(parsed.t === "ok", JSON.stringify(parsed));
  const { config } = parsed;
  return startAgent(config, { stores: openHubs(config, { log: silentLog }), log: silentLog });
}

const config = ["--config", join(dir, "east", "agent.yaml")];
const operatorFile = join(passwords, "isthmus_operator.password");
const asOperator = ["--url", redis.hub.url, "--trust", root].concat([
  "--username",
  "isthmus_operator",
  "--password-file",
  operatorFile,
]);
const operator = async (...command: readonly string[]): Promise<string> => {
  const password = (await readFile(join(passwords, "isthmus_operator.password"), "utf8")).trim();
  const login = ["--user", "isthmus_operator", "--pass", password, "--no-auth-warning"];
  return (await server?.cli(...login, ...command)) ?? "";
};

test("isthmus hub acl prints hashes only, and keeps passwords private", async () => {
  const password = (await readFile(join(passwords, "east.password"), "utf8")).trim();
  assert.ok(password.length >= 40);
  assert.ok(!acl.out.includes(password) && !acl.err.includes(password));
  assert.equal((await stat(join(passwords, "east.password"))).mode & 0o777, 0o600);
  const again = await ok(["hub", "acl", "--charter", root, "--password-dir", passwords]);
  assert.equal(again.out, acl.out);
  for (const line of acl.out.trimEnd().split("\n")) assert.match(line, /^user \S+ (on|off) /);
});

test("isthmus hub acl takes a next password beside the present one", async () => {
  const next = join(passwords, "west.next.password");
  await writeFile(next, "the-next-one\n", { mode: 0o600 });
  const printed = await ok(["hub", "acl", "--charter", root, "--password-dir", passwords]);
  await rm(next);
  const line = printed.out.split("\n").find((one) => one.startsWith("user west "));
  assert.equal(line?.match(/#[0-9a-f]{64}/g)?.length, 2);
});

test("isthmus hub acl refuses passwords that others may read", async () => {
  const other = join(dir, "loose");
  await mkdir(other);
  await writeFile(join(other, "east.password"), "x\n", { mode: 0o644 });
  const printed = await run(["hub", "acl", "--charter", root, "--password-dir", other]);
  assert.equal(printed.code, 1);
  assert.match(printed.err, /MESH_TRUST_KEY_FILE_UNSAFE/);
});

test("isthmus hub acl --members-only leaves out what an own file has", async () => {
  const printed = await ok(["hub", "acl", "--charter", root, "--members-only"]);
  assert.deepEqual(
    printed.out
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ")[1]),
    ["east", "west"],
  );
  assert.doesNotMatch(printed.out, /#/);
});

test("isthmus hub check by an agent's file says that its member is confined", async () => {
  const printed = await ok(["hub", "check", ...config, "--json"]);
  const { hubs } = JSON.parse(printed.out) as {
    hubs: { hub: string; version: string; findings: { code: string; severity: string }[] }[];
  };
  assert.equal(hubs[0]?.hub, "main");
  assert.match(hubs[0]?.version ?? "", /^\d+\.\d+/);
  assert.ok(!hubs[0]?.findings.some(({ code }) => code.startsWith("HUB_RIGHTS")));
});

test("isthmus catalog dump and verify show what agents wrote, and hub check counts it", async () => {
  await using east = await start("east");
  await using west = await start("west");
  await Promise.all([east.whenWarm, west.whenWarm]);
  await until("both have published", async () => {
    const { out } = await run(["catalog", "verify", ...config, "--json"]);
    const { hubs } = JSON.parse(out) as { hubs: { shards: { state: string }[] }[] };
    return hubs[0]?.shards.every(({ state }) => state === "fits") ?? false;
  });
  const verified = await ok(["catalog", "verify", ...config]);
  assert.match(verified.out, /2 of 2 shards verify, 3 records in 1 hub/);
  const dumped = await ok(["catalog", "dump", "east", ...config]);
  assert.match(dumped.out, /^east +fits +\d+/m);
  assert.match(dumped.out, /^ {2}service\/shop\/cart {2}\d+ B {2}80\/TCP/m);
  const json = await ok(["catalog", "dump", "east", ...config, "--json"]);
  const view = JSON.parse(json.out) as {
    hubs: { shards: { isDigestFit: boolean; content: { key: string }[] }[] }[];
  };
  const [shard] = view.hubs[0]?.shards ?? [];
  assert.equal(shard?.isDigestFit, true);
  assert.deepEqual(
    shard?.content.map(({ key }) => key),
    ["member", "service/shop/cart"],
  );
  // East's folder gets the charter that names west from its agent, which got it from the hub.
  await until("all is counted", async () => {
    const checked = await ok(["hub", "check", ...config]);
    return /acme\.mesh: 2 members, 3 records/.test(checked.out);
  });
});

test("isthmus catalog verify exits 1 for what somebody changed, and names the record", async () => {
  const records = "isthmus:{acme.mesh}:east:records";
  const head = await operator("GET", "isthmus:{acme.mesh}:east:head");
  assert.ok(head.length > 100);
  await operator("HSET", records, "service/shop/\u001b[2Jx", "{}");
  const printed = await run(["catalog", "verify", "east", ...asOperator]);
  assert.equal(printed.code, 1);
  assert.match(printed.out, /CATALOG_SHARD_UNFIT/);
  assert.match(printed.out, /\\u\{1b\}\[2Jx/);
  assert.doesNotMatch(printed.out.replaceAll("\n", ""), /\p{Cc}/u);
  await operator("HDEL", records, "service/shop/\u001b[2Jx");
});

test("isthmus catalog verify exits 1 for junk in place of a shard, and warns of strangers", async () => {
  await operator("SET", "isthmus:{acme.mesh}:west:head", "junk");
  await operator("SET", "isthmus:{acme.mesh}:stranger:head", "junk");
  const printed = await run(["catalog", "verify", ...asOperator, "--json"]);
  assert.equal(printed.code, 1);
  const { findings } = JSON.parse(printed.out) as { findings: { code: string; subject: string }[] };
  const named = findings.map(({ code, subject }) => `${code} ${subject.split(" ").at(-1) ?? ""}`);
  assert.ok(named.includes("CATALOG_SHARD_UNFIT west"), named.join());
  assert.ok(findings.some(({ code }) => code === "CATALOG_MEMBER_UNKNOWN"));
});

test("hub commands say what is missing or wrong before they ask anybody", async () => {
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["hub", "check"], 2, /--url|--config/],
    [["hub", "check", "--url", "redis://u:p@h:1"], 2, /password/],
    [["hub", "check", "--url", "http://h:1"], 2, /redis:\/\//],
    [["hub", "check", "--url", "redis://h:1", "--ca-file", "x"], 2, /rediss/],
    [["hub", "check", "--url", "redis://h:1", "--username", "x"], 2, /passwordFile/],
    [["hub", "check", ...config, "--url", redis.hub.url], 2, /leave out --url/],
    [["hub", "check", "--config", "/nowhere.yaml"], 64, /cannot be read/],
    [["catalog", "verify", "--url", redis.hub.url], 2, /--trust/],
    [["catalog", "dump", "Bad_Name", ...config], 2, /MESH_ID_INVALID/],
    [["hub", "acl"], 2, /--charter/],
  ];
  for (const [argv, code, pattern] of cases) {
    const printed = await run(argv);
    assert.equal(printed.code, code, argv.join(" ") + printed.err);
    assert.match(printed.err, pattern);
  }
});

test("several hubs are judged each by itself; one that is away is 69, one that is refused is 1", async () => {
  const file = join(dir, "east", "two.yaml");
  const text = agentYaml("east").replace(
    "hubs: [",
    `hubs: [{ url: "redis://127.0.0.1:1", name: away }, `,
  );
  await writeFile(file, text);
  const checked = await run(["hub", "check", "--config", file]);
  assert.equal(checked.code, 69);
  assert.match(checked.out, /^away {2}redis:[^]*HUB_UNREACHABLE[^]*^main {2}redis:[^]*^ {2}mesh /m);
  const dumped = await run(["catalog", "dump", "--config", file]);
  assert.equal(dumped.code, 0);
  assert.match(dumped.out, /^away: Cannot[^]*^main {2}/m);
  const verified = await run(["catalog", "verify", "--config", file]);
  assert.match(verified.out, /HUB_UNREACHABLE[^]* in 1 of 2 hubs$/m);
  await operator("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  const refused = await run(["hub", "check", "--config", file]);
  await operator("CONFIG", "SET", "maxmemory-policy", "noeviction");
  assert.equal(refused.code, 1);
});

test("hub commands exit 69 when the hub is away", async () => {
  await server?.kill();
  for (const argv of [
    ["hub", "check", ...config],
    ["catalog", "dump", ...config],
    ["catalog", "verify", ...config],
  ]) {
    assert.equal((await run(argv)).code, 69, argv.join(" "));
  }
});
