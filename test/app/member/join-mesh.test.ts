import assert from "node:assert/strict";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { RunningAgent } from "../../../src/app/agent/agent.ts";
import type { AgentConfig } from "../../../src/app/config/config.ts";
import { loadAgentConfig } from "../../../src/app/config/load-config.ts";
import { makeToken } from "../../../src/app/join/token-tasks.ts";
import { type JoinWords, joinMesh } from "../../../src/app/member/join/join-mesh.ts";
import { formatHostPort } from "../../../src/mesh/address.ts";
import { loadMember } from "../../../src/trust/io/member-files.ts";
import { TestMesh } from "../support/test-mesh.ts";

interface Signing {
  readonly mesh: TestMesh;
  readonly agent: RunningAgent;
  readonly config: AgentConfig;
}

async function signingAgent(mesh: TestMesh, hasSigner = true): Promise<Signing> {
  await mesh.issue("east", "us-east-1");
  await mkdir(mesh.servicesDir("east"), { recursive: true });
  const plain = mesh.agentConfig("east", "us-east-1", 1);
  const signer = { t: "file", file: join(mesh.dir, "root", "root.key") } as const;
  const config = hasSigner ? { ...plain, trust: { ...plain.trust, signer } } : plain;
  return { mesh, config, agent: await mesh.startAgent(config) };
}

async function tokenFor({ mesh, config }: Signing, name: string): Promise<string> {
  const member = { name, cloud: "azure", region: "westeurope" };
  const claims = { network: undefined, gatewayRanges: [], mayExport: ["shop"] };
  const words = { member: { ...member, ...claims }, services: [], from: [] } as const;
  const { text } = await makeToken(config, {
    words: { ...words, group: undefined, ttl: undefined, uses: undefined, isVm: false },
    nowMs: Date.now(),
  });
  const file = join(mesh.dir, `${name}.token`);
  await writeFile(file, `${text.reveal()}\n`, { mode: 0o600 });
  return file;
}

function wordsFor({ mesh, agent }: Signing, more: Partial<JoinWords>): JoinWords {
  return {
    agent: formatHostPort(agent.xds),
    tokenFile: undefined,
    dir: join(mesh.dir, "new"),
    member: undefined,
    hubs: ["redis://127.0.0.1:6379"],
    gateways: ["127.0.0.1:25443"],
    xds: undefined,
    http: undefined,
    warn: (sentence) => assert.fail(sentence),
    ...more,
  };
}

suite("joinMesh()", () => {
  test("makes a member out of a token: its own key, an intermediate, the charter, agent.yaml", async () => {
    await using mesh = await TestMesh.open();
    const signing = await signingAgent(mesh);
    const words = wordsFor(signing, { tokenFile: await tokenFor(signing, "west") });
    const joined = await joinMesh(words);
    assert.deepEqual([joined.member, joined.from, joined.isConfigNew], ["west", "token", true]);
    const trust = join(words.dir, "trust");
    const files = await loadMember(trust);
    assert.equal(files.charter.charter.members.length, 2);
    assert.equal((await stat(join(trust, "member.key"))).mode & 0o777, 0o600);
    const parsed = loadAgentConfig(joined.config);
    assert.ok(parsed.t === "ok");
    assert.deepEqual(
      [parsed.config.member.region, parsed.config.catalog.hubs?.[0]?.url],
      ["westeurope", "redis://127.0.0.1:6379"],
    );
    // Nobody but the newcomer has the key.
    const key = await readFile(join(trust, "member.key"), "utf8");
    const body = key.split("\n")[1] ?? "";
    assert.ok(body.length > 20);
    assert.doesNotMatch(
      await readFile(join(mesh.dir, "east", "trust", "charter.json"), "utf8"),
      new RegExp(body.slice(0, 40).replace(/[+/]/g, ".")),
    );
    // It is done: no token and no agent is needed.
    await signing.agent.stop({ deadlineMs: 0 });
    const again = await joinMesh({ ...words, tokenFile: undefined });
    assert.deepEqual([again.from, again.isConfigNew], ["folder", false]);
  });

  test("goes on with its key where it was interrupted, by the token that it has shown already", async () => {
    await using mesh = await TestMesh.open();
    const signing = await signingAgent(mesh);
    const tokenFile = await tokenFor(signing, "west");
    const words = wordsFor(signing, { tokenFile });
    const nobody = { ...words, agent: "127.0.0.1:1" };
    await assert.rejects(joinMesh(nobody), { code: "MESH_UNREACHABLE" });
    const key = await readFile(join(words.dir, "trust", "member.key"), "utf8");
    // Bought, but nothing may be written of what there is no hub for.
    await assert.rejects(joinMesh({ ...words, hubs: [] }), {
      code: "MESH_USAGE",
      message: /--hub/,
    });
    const { charter } = await loadMember(join(words.dir, "trust"));
    assert.equal(await readFile(join(words.dir, "trust", "member.key"), "utf8"), key);
    const joined = await joinMesh({ ...words, tokenFile: undefined });
    assert.deepEqual([joined.isConfigNew, joined.charter], [true, charter.charter.number]);
  });

  test("is refused by an agent that may not use the root, and for another member's folder", async () => {
    await using mesh = await TestMesh.open();
    const signing = await signingAgent(mesh);
    const words = wordsFor(signing, { tokenFile: await tokenFor(signing, "west") });
    await assert.rejects(joinMesh({ ...words, member: "north" }), {
      code: "MESH_JOIN_TOKEN_SUBJECT",
    });
    await joinMesh(words);
    await assert.rejects(joinMesh({ ...words, member: "north" }), { code: "MESH_USAGE" });
    // One token, one key.
    const other = { ...words, dir: join(mesh.dir, "other") };
    await assert.rejects(joinMesh(other), { code: "MESH_JOIN_TOKEN_USED" });
    await assert.rejects(tokenFor(signing, "east"), {
      code: "MESH_USAGE",
      message: /has .*"east"/,
    });
  });

  test("names the file that holds no token, and says when everybody may read one that does", async () => {
    await using mesh = await TestMesh.open();
    const signing = await signingAgent(mesh);
    const tokenFile = await tokenFor(signing, "west");
    const half = join(mesh.dir, "half.token");
    await writeFile(half, (await readFile(tokenFile, "utf8")).slice(0, 60), { mode: 0o600 });
    await assert.rejects(joinMesh(wordsFor(signing, { tokenFile: half })), {
      code: "MESH_JOIN_TOKEN_MALFORMED",
      message: /half\.token/,
    });
    await chmod(tokenFile, 0o644);
    const warnings: string[] = [];
    const warn = (sentence: string): void => void warnings.push(sentence);
    await joinMesh(wordsFor(signing, { tokenFile, warn }));
    assert.match(warnings.join(), /^Everybody .*west\.token": chmod 600/);
  });

  test("does not work in one folder twice at once", async () => {
    await using mesh = await TestMesh.open();
    const signing = await signingAgent(mesh);
    const words = wordsFor(signing, { tokenFile: await tokenFor(signing, "west") });
    const ends = await Promise.allSettled([joinMesh(words), joinMesh(words)]);
    const failed = ends.filter((one) => one.status === "rejected").map(({ reason }) => reason);
    assert.deepEqual(
      failed.map(({ code }) => code),
      ["MESH_FOLDER_IN_USE"],
    );
    assert.equal((await joinMesh(words)).from, "folder");
  });

  test("says which folder it cannot make, and why", async () => {
    await using mesh = await TestMesh.open();
    const signing = await signingAgent(mesh);
    const file = join(mesh.dir, "a-file");
    await writeFile(file, "");
    const words = wordsFor(signing, { dir: join(file, "new") });
    await assert.rejects(joinMesh(words), { code: "MESH_FILE_UNWRITABLE", message: /a-file\/new/ });
  });
});
