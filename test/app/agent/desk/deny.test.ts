import assert from "node:assert/strict";
import { chmod, cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { RunningAgent } from "../../../../src/app/agent/agent.ts";
import type { MemberAnswer } from "../../../../src/app/api-model.ts";
import { run } from "../../../cli/fake-terminal.ts";
import { until } from "../../support/ask.ts";
import { TestMesh } from "../../support/test-mesh.ts";

/** Three members on one hub; the last that was issued knows them all. */
async function threeAgents(
  mesh: TestMesh,
  options: { readonly signer: boolean },
): Promise<{ readonly east: RunningAgent; readonly west: RunningAgent }> {
  for (const name of ["north", "west", "east"]) await mesh.issue(name, `${name}-1`);
  const start = async (name: string): Promise<RunningAgent> => {
    await mkdir(mesh.servicesDir(name), { recursive: true });
    const config = mesh.agentConfig(name, `${name}-1`, 1);
    const file = join(mesh.dir, "root", "root.key");
    const signer =
      options.signer && name === "east" ? { signer: { t: "file", file } as const } : {};
    return await mesh.startAgent({ ...config, trust: { ...config.trust, ...signer } });
  };
  return { east: await start("east"), west: await start("west") };
}

const standingOf =
  (member: string, standing: string) =>
  ({ members }: { readonly members: readonly MemberAnswer[] }): boolean =>
    members.some((one) => one.name === member && one.standing === standing);

/** What the command reads of an agent's configuration. */
async function configFile(mesh: TestMesh, name: string, signer = ""): Promise<string> {
  const file = join(mesh.dir, `${name}.yaml`);
  await writeFile(
    file,
    `mesh: acme.mesh
member: { name: ${name}, cloud: aws, region: ${name}-1 }
trust: { dir: ./${name}/trust${signer} }
catalog: { memory: true, snapshotDir: ./${name}/state }
sources: [{ files: ./${name}/services }]
`,
  );
  return file;
}

test("isthmus member deny denies a member by trust.signer, and all learn it over the hub", async () => {
  await using mesh = await TestMesh.open();
  const { east, west } = await threeAgents(mesh, { signer: true });
  const config = await configFile(mesh, "east", ", signer: { file: ./root/root.key }");
  const at = ["--config", config, "--agent", east.httpUrl];
  const denied = await run(["member", "deny", "north", ...at]);
  assert.equal(denied.code, 0, denied.err);
  assert.match(denied.out, /^Denied north: charter 5 is in force/);
  await until(`${west.httpUrl}/api/v1/members`, standingOf("north", "denied"));
  // Denied is denied: no charter is raised for it again.
  assert.match((await run(["member", "deny", "north", ...at])).out, /charter 5 is in force/);
  const unknown = await run(["member", "deny", "noth", ...at]);
  assert.match(unknown.err, /did you mean.*north.*MESH_NOT_FOUND/s);
  assert.match(
    (await run(["member", "deny", "east", ...at])).err,
    /its own agent's|this agent's own/,
  );
  const allowed = await run(["member", "allow", "north", ...at]);
  assert.match(allowed.out, /^Allowed north again: charter 6 is in force/, allowed.err);
  await until(`${west.httpUrl}/api/v1/members`, standingOf("north", "active"));
  assert.match((await run(["member", "allow", "north", ...at])).out, /charter 6 is in force/);
  // The other one may not use the root, and whoever only reaches the port may not either.
  const other = await configFile(mesh, "west");
  const refused = await run(["member", "deny", "east", "-c", other, "--agent", west.httpUrl]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /MESH_TRUST_SIGNER_MISSING/);
});

test("with the root's folder any agent takes the denial, and what agents raised meanwhile stays", async () => {
  await using mesh = await TestMesh.open();
  const { east, west } = await threeAgents(mesh, { signer: true });
  const root = join(mesh.dir, "root");
  const copy = join(mesh.dir, "copy");
  await cp(root, copy, { recursive: true });
  const config = await configFile(mesh, "east", ", signer: { file: ./root/root.key }");
  const first = await run(["member", "deny", "north", "-c", config, "--agent", east.httpUrl]);
  assert.equal(first.code, 0, first.err);
  await until(`${west.httpUrl}/api/v1/members`, standingOf("north", "denied"));
  // The folder is behind: it has charter 4 still.
  const offline = await run(["member", "deny", "east", "--dir", root, "--agent", west.httpUrl]);
  assert.equal(offline.code, 0, offline.err);
  assert.match(offline.out, /charter 6 is in force/);
  await until(`${west.httpUrl}/api/v1/members`, (answer: { members: MemberAnswer[] }) =>
    ["north", "east"].every((name) => standingOf(name, "denied")(answer)),
  );
  const old = await run(["trust", "publish", "--dir", copy, "--agent", west.httpUrl]);
  assert.match(old.err, /MESH_TRUST_CHARTER_CONFLICT/);
  assert.equal((await run(["trust", "publish", "--dir", root, "--agent", west.httpUrl])).code, 0);
  // The key stays where it is: these two files are what is carried to a member.
  const carried = join(mesh.dir, "carried");
  await mkdir(carried);
  for (const name of ["charter.json", "bundle.pem"])
    await cp(join(root, name), join(carried, name));
  const published = await run(["trust", "publish", "--dir", carried, "--agent", west.httpUrl]);
  assert.equal(published.code, 0, published.err);
  // A second use of the same root at once is told for what it is.
  await run(["trust", "issue", "member", "a", "--dir", copy, "--out", join(mesh.dir, "a")]);
  await run(["trust", "issue", "member", "b", "--dir", copy, "--out", join(mesh.dir, "b")]);
  const twice = await run(["trust", "publish", "--dir", copy, "--agent", west.httpUrl]);
  assert.match(
    twice.err,
    /another charter with number 6 is in force.*MESH_TRUST_CHARTER_CONFLICT/s,
  );
});

test("an agent whose root key is missing, or open to others, serves on and says so", async () => {
  await using mesh = await TestMesh.open();
  await mesh.issue("east", "east-1");
  await mkdir(mesh.servicesDir("east"), { recursive: true });
  const plain = mesh.agentConfig("east", "east-1", 1);
  const file = join(mesh.dir, "copy.key");
  const signer = { t: "file", file } as const;
  const withKey = { ...plain, trust: { ...plain.trust, signer } };
  const said = async (url: string): Promise<string> => {
    const { findings } = await until<{ findings: { code: string; message: string }[] }>(
      `${url}/api/v1/findings`,
      (answer) => answer.findings.some(({ code }) => code === "TRUST_SIGNER_UNUSABLE"),
    );
    return findings.find(({ code }) => code === "TRUST_SIGNER_UNUSABLE")?.message ?? "";
  };
  const missing = await mesh.startAgent(withKey);
  await missing.whenWarm;
  assert.match(await said(missing.httpUrl), /ENOENT/);
  await missing.stop({ deadlineMs: 0 });
  await cp(join(mesh.dir, "root", "root.key"), file);
  await chmod(file, 0o644);
  const open = await mesh.startAgent(withKey);
  await open.whenWarm;
  assert.match(await said(open.httpUrl), /others may read or write it/);
});
