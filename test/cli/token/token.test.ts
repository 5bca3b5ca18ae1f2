import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Secret } from "../../../src/mesh/secret.ts";
import { readAll, tokensDir } from "../../../src/trust/io/join-token-files.ts";
import { JoinTokens } from "../../../src/trust/io/join-tokens.ts";
import { loadCharterOf } from "../../../src/trust/io/member-files.ts";
import { parseJoinToken } from "../../../src/trust/join/join-token.ts";
import { run } from "../fake-terminal.ts";

let dir: string;
const config = (name = "agent"): string => join(dir, `${name}.yaml`);
const state = (): string => join(dir, "state");

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "isthmus-token-"));
  const root = join(dir, "root");
  assert.equal((await run(["trust", "init", "--mesh", "acme.mesh", "--dir", root])).code, 0);
  const issue = ["trust", "issue", "member", "east", "--dir", root, "--out", join(dir, "trust")];
  assert.equal((await run([...issue, "--cloud", "aws", "--region", "us-east-1"])).code, 0);
  const yaml = (trust: string): string => `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: ${trust}
catalog: { memory: true, snapshotDir: ./state }
sources: [{ files: ./services }]
`;
  await writeFile(config(), yaml("{ dir: ./trust }"));
  await writeFile(config("signing"), yaml("{ dir: ./trust, signer: { file: ./root/root.key } }"));
});
after(async () => await rm(dir, { recursive: true, force: true }));

const vm = ["token", "create", "--vm", "--group", "shop/carts"] as const;

describe("isthmus token", () => {
  test("create says that the agent has to have run where there is no state folder", async () => {
    const printed = await run([...vm, "--config", config()]);
    assert.equal(printed.code, 1);
    assert.match(printed.err, /the agent makes it when it starts/);
    await mkdir(state(), { mode: 0o700 });
  });

  test("create prints the token alone, and beside it what it is for", async () => {
    const printed = await run([
      ...vm,
      "--config",
      config(),
      "--ttl",
      "10m",
      "--from",
      "10.0.0.0/8",
    ]);
    assert.equal(printed.code, 0, printed.err);
    assert.match(printed.out, /^isthmus1\.[A-Za-z0-9_-]{96}\.east\.acme\.mesh\n$/);
    assert.match(
      printed.err,
      /^Token [0-9a-f]{16}: VM of shop\/carts, once, from 10\.0\.0\.0\/8, until 20/,
    );
    assert.ok(!printed.err.includes("isthmus1."));
    const token = parseJoinToken(new Secret(printed.out.trim()));
    const { bundle } = await loadCharterOf(join(dir, "trust"));
    assert.equal(token.rootSpkiSha256, bundle.roots[0]?.spkiSha256);
    const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
    const agent = new JoinTokens({ snapshotDir: state(), clock, hasOthers: false });
    const shown = { address: "10.1.2.3", wish: { t: "vm", group: "shop/carts" } } as const;
    const { record } = await agent.check(new Secret(printed.out.trim()), shown);
    assert.equal(record.expiresAtMs - record.createdAtMs, 600_000);
  });

  test("create --json says the same to programs", async () => {
    const services = ["--service", "shop/cart", "--service", "shop/checkout"];
    const args = [...services, "--uses", "3", "--json", "--config", config()];
    const printed = await run([...vm, ...args]);
    const { token, id, createdAtMs, expiresAtMs, rootSpkiSha256, ...rest } = JSON.parse(
      printed.out,
    ) as Readonly<Record<string, unknown>>;
    assert.deepEqual(rest, {
      grant: { t: "vm", group: "shop/carts", services: ["shop/cart", "shop/checkout"] },
      uses: 3,
      from: [],
    });
    assert.equal(Number(expiresAtMs) - Number(createdAtMs), 3_600_000);
    const read = parseJoinToken(new Secret(String(token)));
    assert.deepEqual([read.id, read.rootSpkiSha256], [id, rootSpkiSha256]);
  });

  test("create --member keeps what the member may claim, where the agent has the root", async () => {
    const member = ["token", "create", "--member", "west", "--export", "shop"];
    const without = await run([...member, "--config", config()]);
    assert.equal(without.code, 1);
    assert.match(without.err, /MESH_TRUST_SIGNER_MISSING/);
    const words = ["--cloud", "azure", "--region", "westeurope", "--gateway-range", "10.2.0.0/16"];
    const printed = await run([...member, ...words, "--json", "--config", config("signing")]);
    assert.equal(printed.code, 0, printed.err);
    const { grant } = JSON.parse(printed.out) as { readonly grant: unknown };
    assert.deepEqual(grant, {
      t: "member",
      claims: {
        name: "west",
        cloud: "azure",
        region: "westeurope",
        network: "west",
        gatewayRanges: ["10.2.0.0/16"],
        mayExport: ["shop"],
      },
    });
  });

  const wrong: readonly (readonly [string, readonly string[]])[] = [
    ["say either --member NAME or --vm", []],
    ["say either --member NAME or --vm", ["--vm", "--member", "west"]],
    ["--vm needs --group NS/NAME, its WorkloadGroup", ["--vm"]],
    ["--group and --service are for VMs", ["--member", "west", "--group", "shop/carts"]],
    ["it is not <namespace>/<name>", ["--vm", "--group", "carts"]],
    ["is not a duration such as 10m or 1h", [...vm.slice(2), "--ttl", "soon"]],
    ["is not between 1m and 24h", [...vm.slice(2), "--ttl", "25h"]],
    ["is not between 1m and 24h", [...vm.slice(2), "--ttl", "1s"]],
    ["is not a whole number from 1 to 1000", [...vm.slice(2), "--uses", "0"]],
    ["is not a whole number from 1 to 1000", [...vm.slice(2), "--uses", "1001"]],
    ["a member joins once", ["--member", "west", "--uses", "2"]],
    ["it is not CIDR", [...vm.slice(2), "--from", "10.0.0.0/33"]],
    ["is not a word of letters", ["--member", "west", "--region", "west europe"]],
    ["it is not a DNS label", ["--member", "West"]],
  ];
  for (const [truth, args] of wrong) {
    test(`create ${args.join(" ")} says: ${truth}`, async () => {
      const before = (await readdir(tokensDir(state()))).length;
      const printed = await run(["token", "create", ...args, "--config", config("signing")]);
      assert.notEqual(printed.code, 0);
      assert.equal(printed.out, "");
      assert.ok(printed.err.includes(truth), printed.err);
      assert.equal((await readdir(tokensDir(state()))).length, before);
    });
  }

  test("list shows each token with its state, and no secret", async () => {
    const printed = await run(["token", "list", "--config", config()], { columns: 160 });
    assert.equal(printed.code, 0);
    const rows = printed.out.trimEnd().split("\n");
    assert.match(rows[0] ?? "", /TOKEN +FOR +STATE +USED +ENDS/);
    assert.match(rows[1] ?? "", /[0-9a-f]{16} +member west +good +0\/1 +20\d\d-/);
    assert.match(rows[2] ?? "", /VM of shop\/carts \(shop\/cart, shop\/checkout\) +good +0\/3/);
    assert.match(rows[3] ?? "", /VM of shop\/carts +good +0\/1 .* 10\.0\.0\.0\/8/);
    const json = await run(["token", "list", "--config", config(), "--json"]);
    const { tokens, damaged } = JSON.parse(json.out) as {
      readonly tokens: readonly Readonly<Record<string, unknown>>[];
      readonly damaged: readonly string[];
    };
    assert.deepEqual(damaged, []);
    const fields = "createdAtMs expiresAtMs from grant id maxUses state uses".split(" ");
    assert.deepEqual(Object.keys(tokens[0] ?? {}).sort(), fields);
    const stored = (await readAll(tokensDir(state()))).tokens;
    for (const { record } of stored) assert.ok(!json.out.includes(record.secretSha256));
  });

  test("revoke takes one back, once, and list says so", async () => {
    const [newest] = (await readAll(tokensDir(state()))).tokens;
    const id = newest?.record.id ?? "";
    const revoke = (which: string): ReturnType<typeof run> =>
      run(["token", "revoke", which, "--config", config()]);
    assert.deepEqual((await revoke(id)).out, `Token ${id} is revoked\n`);
    assert.deepEqual((await revoke(id)).out, `Token ${id} was revoked before\n`);
    assert.match((await run(["token", "list", "--config", config()])).out, /west +revoked/);
    const absent = await revoke("0123456789abcdef");
    assert.equal(absent.code, 1);
    assert.match(absent.err, /MESH_NOT_FOUND/);
    assert.match((await revoke("../../etc/passwd")).err, /MESH_JOIN_TOKEN_MALFORMED/);
  });

  test("list names a token whose file is damaged, and shows the others", async () => {
    const [newest] = (await readAll(tokensDir(state()))).tokens;
    const folder = join(tokensDir(state()), newest?.record.id ?? "");
    await writeFile(join(folder, "token.json"), "{");
    const printed = await run(["token", "list", "--config", config()]);
    assert.equal(printed.code, 0);
    assert.ok(printed.err.includes(`Cannot read ${folder}`));
    assert.match(printed.out, /shop\/carts/);
    assert.equal((await stat(folder)).mode & 0o077, 0);
  });

  test("says what is wrong with the configuration, and exits 64", async () => {
    await writeFile(config("broken"), "mesh: acme.mesh\n");
    for (const command of ["create", "list"]) {
      const printed = await run(["token", command, "--config", config("broken")]);
      assert.equal(printed.code, 64);
      assert.match(printed.err, /broken\.yaml:1: trust: it is missing/);
    }
  });

  test("create says when the sources have no such group, where files tell", async () => {
    const none = await run([...vm, "--config", config()]);
    // The folder of its sources is not there: nothing can be told.
    assert.doesNotMatch(none.err, /no WorkloadGroup/);
    const services = join(dir, "services");
    await mkdir(services);
    const printed = await run([...vm, "--config", config(), "--json"]);
    assert.equal(printed.code, 0);
    assert.match(printed.err, /no WorkloadGroup "shop\/carts"/);
    const group = (name: string): string => `apiVersion: isthmus.dev/v1alpha1
kind: WorkloadGroup
metadata: { name: ${name}, namespace: shop }
spec: { serviceAccount: cart, ports: [{ name: http, port: 8080 }] }
`;
    await writeFile(join(services, "g.yaml"), group("cart"));
    assert.match((await run([...vm, "--config", config()])).err, /did you mean "shop\/cart"/);
    await writeFile(join(services, "g.yaml"), group("carts"));
    assert.doesNotMatch((await run([...vm, "--config", config()])).err, /no WorkloadGroup/);
    await rm(services, { recursive: true });
  });
});
