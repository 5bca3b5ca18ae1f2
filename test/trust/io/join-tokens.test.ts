import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { MeshError } from "../../../src/mesh/errors.ts";
import {
  parseMemberName,
  parseNetworkName,
  parseServiceId,
  parseTrustDomain,
} from "../../../src/mesh/ids.ts";
import { Secret } from "../../../src/mesh/secret.ts";
import { readAll, tokensDir } from "../../../src/trust/io/join-token-files.ts";
import {
  createJoinToken,
  JoinTokens,
  type NewJoinToken,
  revokeJoinToken,
} from "../../../src/trust/io/join-tokens.ts";
import type { JoinWish } from "../../../src/trust/join/join-grant.ts";

const nowMs = Date.UTC(2026, 10, 21, 12);
const hourMs = 3_600_000;
const rootSpkiSha256 = "ab".repeat(32);
const key = "11".repeat(32);
const otherKey = "22".repeat(32);
const group = parseServiceId("shop/carts");
const vm: JoinWish = { t: "vm", group: undefined };
const vmToken: NewJoinToken = {
  grant: { t: "vm", group, services: [] },
  uses: 1,
  from: [],
  ttlMs: hourMs,
  rootSpkiSha256,
  trustDomain: parseTrustDomain("east.acme.mesh"),
};
const memberToken: NewJoinToken = {
  ...vmToken,
  grant: {
    t: "member",
    claims: {
      name: parseMemberName("west"),
      cloud: "azure",
      region: "westeurope",
      network: parseNetworkName("west"),
      gatewayRanges: ["10.1.0.0/16"],
      mayExport: ["shop"],
    },
  },
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "isthmus-tokens-"));
  folders.push(folder);
  return folder;
}

function agentOn(snapshotDir: string, atMs = nowMs, hasOthers = false): JoinTokens {
  const clock = { nowMs: () => atMs, monotonicMs: () => atMs };
  return new JoinTokens({ snapshotDir, clock, hasOthers });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "taken";
  } catch (thrown) {
    if (thrown instanceof MeshError) return thrown.code.replace("MESH_JOIN_TOKEN_", "");
    throw thrown;
  }
}

interface Shown {
  readonly text: Secret;
  readonly address?: string;
  readonly wish?: JoinWish;
  readonly keySha256?: string;
}

async function show(agent: JoinTokens, shown: Shown): Promise<string> {
  const { text, address = "10.0.0.7", wish = vm, keySha256 = key } = shown;
  return await codeOf(
    agent.check(text, { address, wish }).then(async (good) => await good.take(keySha256)),
  );
}

describe("a join token", () => {
  test("is taken once, and from then on by nobody else", async () => {
    const dir = newFolder();
    const { text } = await createJoinToken(dir, { wish: vmToken, nowMs });
    assert.equal(await show(agentOn(dir), { text }), "taken");
    assert.equal(await show(agentOn(dir), { text, keySha256: otherKey }), "USED");
  });

  test("is taken again by the same key: its answer may have been lost", async () => {
    const dir = newFolder();
    const { text } = await createJoinToken(dir, { wish: vmToken, nowMs });
    assert.equal(await show(agentOn(dir), { text }), "taken");
    assert.equal(await show(agentOn(dir), { text }), "taken");
    const [token] = (await readAll(tokensDir(dir))).tokens;
    assert.deepEqual(token?.uses, [{ atMs: nowMs, address: "10.0.0.7", keySha256: key }]);
  });

  test("is taken again by the same key when a crash came between the use and its mark", async () => {
    const dir = newFolder();
    const { text, record } = await createJoinToken(dir, { wish: vmToken, nowMs });
    await show(agentOn(dir), { text });
    rmSync(join(tokensDir(dir), record.id, `key-${key}`));
    assert.equal(await show(agentOn(dir), { text, keySha256: otherKey }), "USED");
    assert.equal(await show(agentOn(dir), { text }), "taken");
  });

  test("stays used when a crash left the use without its words", async () => {
    const dir = newFolder();
    const { text, record } = await createJoinToken(dir, { wish: vmToken, nowMs });
    writeFileSync(join(tokensDir(dir), record.id, "use-1"), "");
    assert.equal(await show(agentOn(dir), { text }), "USED");
  });

  test("is taken as often as it says, by keys that ask at once", async () => {
    const dir = newFolder();
    const { text } = await createJoinToken(dir, { wish: { ...vmToken, uses: 20 }, nowMs });
    const agent = agentOn(dir);
    const keys = Array.from({ length: 30 }, (_, index) => (index + 16).toString(16).repeat(32));
    const outcomes = await Promise.all(keys.map((keySha256) => show(agent, { text, keySha256 })));
    assert.equal(outcomes.filter((outcome) => outcome === "taken").length, 20);
    assert.equal(outcomes.filter((outcome) => outcome === "USED").length, 10);
  });

  test("says for each reason another code", async () => {
    const dir = newFolder();
    const wish = { ...vmToken, from: ["10.0.0.0/24"] };
    const { text, record } = await createJoinToken(dir, { wish, nowMs });
    const agent = agentOn(dir);
    const forged = new Secret(`${text.reveal().slice(0, 30)}AAAA${text.reveal().slice(34)}`);
    const member: JoinWish = { t: "member", name: undefined };
    const cases: readonly (readonly [string, Promise<string>])[] = [
      ["MALFORMED", show(agent, { text: new Secret("isthmus1.AAAA") })],
      ["UNKNOWN", show(agent, { text: forged })],
      ["UNKNOWN", show(agentOn(newFolder()), { text })],
      ["ELSEWHERE", show(agentOn(newFolder(), nowMs, true), { text })],
      ["EARLY", show(agentOn(dir, nowMs - 600_000), { text })],
      ["EXPIRED", show(agentOn(dir, nowMs + hourMs), { text })],
      ["ADDRESS", show(agent, { text, address: "10.0.1.7" })],
      ["ADDRESS", show(agent, { text, address: "fe80::1" })],
      ["SUBJECT", show(agent, { text, wish: member })],
      ["SUBJECT", show(agent, { text, wish: { t: "vm", group: "shop/other" } })],
    ];
    for (const [code, outcome] of cases) assert.equal(await outcome, code);
    assert.equal(await revokeJoinToken(dir, { id: record.id, nowMs }), true);
    assert.equal(await show(agent, { text }), "REVOKED");
    assert.equal(await revokeJoinToken(dir, { id: record.id, nowMs }), false);
    // Not one of these refusals took the use.
    const [token] = (await readAll(tokensDir(dir))).tokens;
    assert.deepEqual(token?.uses, []);
    assert.ok(token?.revokedAtMs !== undefined);
  });

  test("is good until the last millisecond, from a mapped address, for the group it names", async () => {
    const dir = newFolder();
    const wish = { ...vmToken, from: ["10.0.0.0/24"] };
    const { text } = await createJoinToken(dir, { wish, nowMs });
    const agent = agentOn(dir, nowMs + hourMs - 1);
    const shown = { text, address: "::ffff:10.0.0.9", wish: { t: "vm", group } } as const;
    assert.equal(await show(agent, shown), "taken");
  });

  test("of a member keeps what the member may claim, and is for no other name", async () => {
    const dir = newFolder();
    const { text } = await createJoinToken(dir, { wish: memberToken, nowMs });
    const wish = (name?: string): JoinWish => ({ t: "member", name });
    assert.equal(await show(agentOn(dir), { text, wish: wish("east") }), "SUBJECT");
    assert.equal(await show(agentOn(dir), { text, wish: vm }), "SUBJECT");
    const shown = { address: "10.0.0.7", wish: wish("west") };
    const { record } = await agentOn(dir).check(text, shown);
    assert.deepEqual(record.grant, memberToken.grant);
  });

  test("leaves no secret in the folder, which nobody else may read", async () => {
    const dir = newFolder();
    const { text } = await createJoinToken(dir, { wish: vmToken, nowMs });
    await show(agentOn(dir), { text });
    const secret = Buffer.from(text.reveal().slice(9, 105), "base64url").subarray(8, 40);
    for (const path of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
      const stats = statSync(join(dir, path));
      assert.equal(stats.mode & 0o077, 0, path);
      if (!stats.isFile()) continue;
      const content = readFileSync(join(dir, path));
      for (const form of ["hex", "base64", "base64url"] as const) {
        assert.ok(!content.includes(secret.toString(form)), path);
      }
    }
  });

  test("is forgotten a week after its end, when another is made", async () => {
    const dir = newFolder();
    const { record } = await createJoinToken(dir, { wish: vmToken, nowMs });
    const folder = join(tokensDir(dir), record.id);
    const weekMs = 7 * 24 * hourMs;
    await createJoinToken(dir, { wish: vmToken, nowMs: nowMs + hourMs + weekMs });
    assert.equal(existsSync(folder), true);
    await createJoinToken(dir, { wish: vmToken, nowMs: nowMs + hourMs + weekMs + 1 });
    assert.equal(existsSync(folder), false);
  });

  for (const damage of ["", "{", "null", '{"schema":2}', '{"schema":1,"id":"../../../etc/pwd"}']) {
    test(`whose file says ${JSON.stringify(damage)} is neither good nor spent`, async () => {
      const dir = newFolder();
      const { text, record } = await createJoinToken(dir, { wish: vmToken, nowMs });
      writeFileSync(join(tokensDir(dir), record.id, "token.json"), damage);
      assert.equal(await show(agentOn(dir), { text }), "UNPROVEN");
      const all = await readAll(tokensDir(dir));
      assert.deepEqual(all, { tokens: [], damaged: [join(tokensDir(dir), record.id)] });
    });
  }

  test("loses no use when that cannot be written", async () => {
    const dir = newFolder();
    const { text, record } = await createJoinToken(dir, { wish: vmToken, nowMs });
    const folder = join(tokensDir(dir), record.id);
    const agent = agentOn(dir);
    const good = await agent.check(text, { address: "10.0.0.7", wish: vm });
    const away = `${folder}-away`;
    mkdirSync(away);
    writeFileSync(join(away, "x"), "");
    rmSync(folder, { recursive: true });
    assert.equal(await codeOf(good.take(key)), "UNPROVEN");
  });

  test("cannot be made where no agent has its state", async () => {
    const dir = join(newFolder(), "nothing");
    await assert.rejects(createJoinToken(dir, { wish: vmToken, nowMs }), {
      code: "MESH_FILE_UNREADABLE",
    });
    assert.equal(existsSync(dir), false);
  });

  test("proves nothing where others may put tokens into the folder", async () => {
    const dir = newFolder();
    const { text } = await createJoinToken(dir, { wish: vmToken, nowMs });
    chmodSync(tokensDir(dir), 0o770);
    assert.equal(await show(agentOn(dir), { text }), "UNPROVEN");
    chmodSync(tokensDir(dir), 0o700);
    assert.equal(await show(agentOn(dir), { text }), "taken");
  });

  const skip = process.getuid?.() === 0 || process.env["CI"] ? false : "only root acts for others";
  test("made by root is the agent's, and a link of the agent's leads root nowhere", {
    skip,
  }, async () => {
    const [dir, roots] = [newFolder(), newFolder()];
    const agentUid = 65_534;
    chownSync(dir, agentUid, agentUid);
    const { record } = await createJoinToken(dir, { wish: vmToken, nowMs });
    assert.equal(await revokeJoinToken(dir, { id: record.id, nowMs }), true);
    for (const path of ["", record.id, `${record.id}/token.json`, `${record.id}/revoked`]) {
      assert.equal(statSync(join(tokensDir(dir), path)).uid, agentUid, path);
    }
    rmSync(tokensDir(dir), { recursive: true });
    symlinkSync(roots, tokensDir(dir));
    await assert.rejects(createJoinToken(dir, { wish: vmToken, nowMs }), {
      code: "MESH_FILE_UNREADABLE",
    });
    assert.deepEqual(readdirSync(roots), []);
    assert.equal(statSync(roots).uid, 0);
    assert.equal(process.geteuid?.(), 0);
  });

  test("can be revoked only if there is one, by an id that is no path", async () => {
    const dir = newFolder();
    const revoke = (id: string): Promise<unknown> => revokeJoinToken(dir, { id, nowMs });
    await assert.rejects(revoke("0123456789abcdef"), { code: "MESH_NOT_FOUND" });
    await assert.rejects(revoke("../../etc"), { code: "MESH_JOIN_TOKEN_MALFORMED" });
  });
});

describe("processes on one folder", () => {
  test("never take more uses than a token has, however they race", async () => {
    const dir = newFolder();
    const rounds = 40;
    const racers = 3;
    const texts: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { text } = await createJoinToken(dir, {
        wish: { ...vmToken, uses: round % 2 === 0 ? 1 : 3 },
        nowMs: Date.now(),
      });
      texts.push(text.reveal());
    }
    const children = Array.from({ length: racers }, () =>
      fork(racer, [dir], { stdio: ["ignore", "inherit", "inherit", "ipc"] }),
    );
    try {
      await Promise.all(children.map((child) => once(child, "message")));
      const taken = texts.map(() => 0);
      for (const [round, text] of texts.entries()) {
        const outcomes = await Promise.all(children.map((child) => raced(child, text)));
        taken[round] = outcomes.flat().filter((outcome) => outcome === "taken").length;
        assert.ok(outcomes.flat().every((outcome) => outcome === "taken" || outcome === "USED"));
      }
      assert.deepEqual(
        taken,
        texts.map((_, round) => (round % 2 === 0 ? 1 : 3)),
      );
    } finally {
      for (const child of children) child.disconnect();
      await Promise.all(children.map(exited));
    }
  });
});

const racer = new URL("./join-token-racer.ts", import.meta.url);

async function raced(child: ChildProcess, text: string): Promise<readonly string[]> {
  const answer = once(child, "message");
  child.send(text);
  const [outcomes] = (await answer) as [readonly string[]];
  return outcomes;
}

async function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode === null) await once(child, "exit");
}
