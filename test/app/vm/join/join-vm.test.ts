import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import { makeToken } from "../../../../src/app/join/token-tasks.ts";
import { diagnoseVm } from "../../../../src/app/vm/doctor/doctor.ts";
import { type JoinedVm, joinVmFolder } from "../../../../src/app/vm/join/join-vm.ts";
import { openStateFolder } from "../../../../src/app/vm/join/state-folder.ts";
import { readVmWords, type VmWords } from "../../../../src/app/vm/join/vm-words.ts";
import { formatHostPort } from "../../../../src/mesh/address.ts";
import { loadIdentity } from "../../../../src/trust/io/identity-store.ts";
import { member, siteConfig, writeGroup } from "../../agent/registration/vm-site.ts";
import { TestMesh } from "../../support/test-mesh.ts";
import { noWords } from "./no-words.ts";

const dayMs = 86_400_000;

suite("a VM that joins", () => {
  let mesh: TestMesh;
  let agent: RunningAgent;
  let config: ReturnType<typeof siteConfig>;
  let folders = 0;

  before(async () => {
    mesh = await TestMesh.open();
    await mesh.issue(member, "us-east-1");
    await writeGroup(mesh, { port: 8080 });
    config = siteConfig(mesh);
    agent = await mesh.startAgent(config);
    await agent.whenWarm;
  });
  after(() => mesh[Symbol.asyncDispose]());

  async function tokenFile(): Promise<string> {
    const words = {
      member: undefined,
      isVm: true,
      group: "shop/carts",
      services: [],
      ttl: undefined,
      uses: undefined,
      from: [],
    };
    const { text } = await makeToken(config, { words, nowMs: Date.now() });
    folders += 1;
    const file = join(mesh.dir, `token-${folders}`);
    await writeFile(file, `${text.reveal()}\n`);
    return file;
  }

  function newDir(): string {
    folders += 1;
    return join(mesh.dir, `vm-${folders}`);
  }

  async function joinBy(
    words: Partial<VmWords> & { readonly dir: string },
    nowMs = Date.now(),
  ): Promise<JoinedVm> {
    const options = readVmWords({
      ...noWords,
      agent: formatHostPort(agent.xds),
      address: "127.0.0.9",
      ...words,
    });
    await using folder = await openStateFolder(options.dir);
    const { signal } = new AbortController();
    return await joinVmFolder(options, { folder, nowMs, log: mesh.log, signal });
  }

  test("has its identity, and a sidecar.yaml with the group's ports and upstreams", async () => {
    const dir = newDir();
    const vm = await joinBy({ dir, tokenFile: await tokenFile(), upstreams: ["shop/cart:80"] });
    assert.deepEqual([vm.id, vm.from], ["spiffe://east.acme.mesh/ns/shop/sa/cart", "token"]);
    const { registration, inbound, upstreams, workload } = vm.config;
    assert.deepEqual(
      [registration?.group, registration?.address, registration?.allowExec, workload],
      ["shop/carts", "127.0.0.9", false, "vm-1"],
    );
    assert.deepEqual(
      inbound.map((one) => [one.endpoint, one.listen, one.app].map(formatHostPort)),
      [["127.0.0.9:8080", "127.0.0.9:15006", "127.0.0.1:8080"]],
    );
    const numbered = upstreams.filter(({ listen }) => listen.host === "127.0.0.1");
    assert.deepEqual(
      numbered.map(({ service }) => service),
      ["shop/cart", "shop/stock"],
    );
    const modes = await Promise.all(
      ["", "svid", "svid/svid.key"].map(async (name) => (await stat(join(dir, name))).mode & 0o777),
    );
    assert.deepEqual(modes, [0o700, 0o700, 0o600]);
    assert.equal((await readdir(join(dir, "svid"))).includes("joining.key"), false);
  });

  test("joins again by its own certificate: no token, no agent's address, the same key", async () => {
    const dir = newDir();
    const file = await tokenFile();
    await joinBy({ dir, tokenFile: file });
    const { certChainPem } = await loadIdentity(join(dir, "svid"));
    const text = await readFile(join(dir, "sidecar.yaml"), "utf8");
    await rm(file);
    const again = await joinBy({ dir, tokenFile: file, agent: undefined });
    assert.equal(again.from, "folder");
    assert.equal((await loadIdentity(join(dir, "svid"))).certChainPem, certChainPem);
    assert.equal(await readFile(join(dir, "sidecar.yaml"), "utf8"), text);
  });

  test("goes on as before when no agent answers, and only then", async () => {
    const dir = newDir();
    await joinBy({ dir, tokenFile: await tokenFile() });
    const vm = await joinBy({ dir, agent: "127.0.0.1:9" });
    assert.equal(
      formatHostPort(vm.config.agent),
      formatHostPort(agent.xds),
      "as sidecar.yaml says",
    );
    // Without a configuration from before there is nothing to go on with.
    await rm(join(dir, "sidecar.yaml"));
    await assert.rejects(joinBy({ dir, agent: "127.0.0.1:9" }), { code: "MESH_UNREACHABLE" });
  });

  test("gets its certificate by the same key when the answer to its token was lost", async () => {
    const dir = newDir();
    const file = await tokenFile();
    await joinBy({ dir, tokenFile: file });
    // As after a crash between the answer and the disk: the key is there, what it bought is not.
    const key = await readFile(join(dir, "svid/svid.key"));
    await rm(join(dir, "svid"), { recursive: true });
    await mkdir(join(dir, "svid"), { mode: 0o700 });
    await writeFile(join(dir, "svid/joining.key"), key, { mode: 0o600 });
    assert.equal((await joinBy({ dir, tokenFile: file })).from, "token");
    await assert.rejects(joinBy({ dir: newDir(), tokenFile: file }), {
      code: "MESH_JOIN_TOKEN_USED",
    });
  });

  test("is told what is missing: a token, an agent, a certificate that ended while it was away", async () => {
    await assert.rejects(joinBy({ dir: newDir() }), {
      code: "MESH_USAGE",
      message: /has no certificate yet; make a token with `isthmus token create/,
    });
    const empty = join(mesh.dir, "empty-token");
    await writeFile(empty, "\n");
    await assert.rejects(joinBy({ dir: newDir(), tokenFile: empty }), {
      code: "MESH_USAGE",
      message: /has no certificate yet/,
    });
    await assert.rejects(joinBy({ dir: newDir(), agent: undefined }), {
      code: "MESH_USAGE",
      message: /--agent is missing/,
    });
    const dir = newDir();
    await joinBy({ dir, tokenFile: await tokenFile() });
    await assert.rejects(joinBy({ dir }, Date.now() + 2 * dayMs), {
      code: "MESH_USAGE",
      message: /its certificate ended .*, while it was away; make a token/,
    });
  });

  test("uses no key that others could have read, and no token that is none", async () => {
    const dir = newDir();
    await joinBy({ dir, tokenFile: await tokenFile() });
    await chmod(join(dir, "svid/svid.key"), 0o644);
    await rm(join(dir, "svid/identity"), { recursive: true });
    await assert.rejects(joinBy({ dir }), {
      code: "MESH_TRUST_KEY_FILE_UNSAFE",
      message: /svid\.key": others may read/,
    });
    const noToken = join(mesh.dir, "no-token");
    await writeFile(noToken, "hunter2 and other secrets");
    const refused = joinBy({ dir: newDir(), tokenFile: noToken });
    await assert.rejects(refused, (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, "MESH_JOIN_TOKEN_MALFORMED");
      return !thrown.message.includes("hunter2");
    });
    await assert.rejects(
      joinBy({ dir: newDir(), tokenFile: await tokenFile(), group: "shop/other" }),
      {
        code: "MESH_JOIN_TOKEN_SUBJECT",
      },
    );
  });

  test("is found sound by the doctor, and what is wrong has its code", async () => {
    const dir = newDir();
    await joinBy({ dir, tokenFile: await tokenFile(), dns: "off" });
    const codes = async (options: { agents?: string; nowMs?: number } = {}): Promise<string> => {
      const { agents, nowMs = Date.now() } = options;
      const list = agents === undefined ? [] : readVmWords({ ...noWords, agent: agents }).agents;
      const diagnoses = await diagnoseVm({ dir, agents: list, nowMs });
      return diagnoses
        .filter(({ state }) => state !== "ok")
        .map(
          ({ state, code, todo }) =>
            `${state} ${code}${todo === undefined ? " without advice" : ""}`,
        )
        .join(", ");
    };
    const sound = "warning VM_SIDECAR, warning VM_APPLICATION";
    assert.equal(await codes(), sound, "nothing but that neither sidecar nor application runs");
    assert.match(await codes({ agents: "127.0.0.1:9" }), /^error VM_AGENT_REACHABLE/);
    assert.match(await codes({ agents: "no-such-host.invalid:1" }), /^error VM_AGENT_NAME/);
    assert.match(await codes({ nowMs: Date.now() + 20 * 3_600_000 }), /^warning VM_CERTIFICATE/);
    assert.match(await codes({ nowMs: Date.now() + 2 * dayMs }), /^error VM_CERTIFICATE/);
    await chmod(dir, 0o755);
    assert.match(await codes(), /^error VM_FOLDER/);
    await chmod(dir, 0o700);
    await chmod(join(dir, "svid/svid.key"), 0o640);
    assert.match(await codes(), /error VM_FILES/);
  });

  test("is warned of another mesh's agent before it shows anything", async () => {
    const other = await TestMesh.open();
    try {
      await other.issue(member, "us-east-1");
      await writeGroup(other, { port: 8080 });
      const stranger = await other.startAgent(siteConfig(other));
      await stranger.whenWarm;
      const dir = newDir();
      const address = formatHostPort(stranger.xds);
      await assert.rejects(joinBy({ dir, agent: address, tokenFile: await tokenFile() }), {
        code: "MESH_JOIN_ROOT_MISMATCH",
      });
      await joinBy({ dir, tokenFile: await tokenFile() });
      const diagnoses = await diagnoseVm({ dir, agents: [stranger.xds], nowMs: Date.now() });
      const root = diagnoses.find(({ code }) => code === "VM_ROOT");
      assert.deepEqual([root?.state, root?.subject], ["error", address]);
    } finally {
      await other[Symbol.asyncDispose]();
    }
  });
});
