import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { commands, sections } from "../../src/cli/commands.ts";
import { run } from "./fake-terminal.ts";

for (const { name, load } of commands) {
  test(`isthmus ${name} --help shows its form and its options`, async () => {
    const printed = await run([...name.split(" "), "--help"]);
    assert.equal(printed.code, 0);
    assert.ok(printed.out.startsWith(`Usage: isthmus ${name}`), printed.out);
    assert.ok((await load()).about.length > 0);
    for (const line of printed.out.split("\n")) assert.ok(line.length <= 120, line);
  });
}

test("isthmus alone lists every command that is for people, and is wrong usage", async () => {
  const printed = await run([]);
  assert.equal(printed.code, 2);
  for (const { name, isHidden } of commands) {
    assert.equal(new RegExp(`^ {2}${name} `, "m").test(printed.out), isHidden !== true, name);
  }
});

test("isthmus --help lists commands under headings, and fits a terminal of 80 columns", async () => {
  const lines = (await run(["--help"])).out.split("\n");
  for (const line of lines) assert.ok(line.length <= 80, line);
  const headings = lines.slice(1).filter((line) => /^\S/.test(line));
  assert.deepEqual(
    headings.slice(0, -1),
    sections.map(({ title }) => title),
  );
});

test("isthmus --help is what was asked for", async () => {
  assert.equal((await run(["--help"])).code, 0);
  assert.equal((await run(["help"])).code, 0);
});

test("isthmus trust lists the commands of that group only", async () => {
  const printed = await run(["trust"]);
  assert.match(printed.out, /trust issue member/);
  assert.doesNotMatch(printed.out, /^ {2}sidecar/m);
});

for (const [argv, hint] of [
  [["statsu"], 'did you mean "status"'],
  [["proxy", "lst"], 'did you mean "proxy list"'],
  [["trust", "issue", "membr"], 'did you mean "trust issue member"'],
] as const) {
  test(`isthmus ${argv.join(" ")} says what was meant`, async () => {
    const printed = await run(argv);
    assert.equal(printed.code, 2);
    assert.ok(printed.err.includes(hint), printed.err);
  });
}

for (const [argv, truth] of [
  [["status", "--jsn"], 'there is no option --jsn (did you mean "json"?)'],
  [["trust", "init", "--mesh", "a.mesh"], "--dir is missing"],
  [["trust", "issue", "member", "--dir", "d", "--out", "o"], "something is missing"],
  [["status", "now"], '"now" is one word too many'],
  [["agent", "--config"], "argument missing"],
] as const) {
  test(`isthmus ${argv.join(" ")} exits 2 with the form`, async () => {
    const printed = await run(argv);
    assert.equal(printed.code, 2);
    assert.ok(printed.err.includes(truth), printed.err);
    assert.match(printed.err, /Usage: isthmus/);
  });
}

test("a query without an agent exits 69 and says where it asked", async () => {
  const printed = await run(["status"], { env: { ISTHMUS_AGENT: "http://127.0.0.1:1" } });
  assert.equal(printed.code, 69);
  assert.match(printed.err, /Cannot ask the agent at http:\/\/127\.0\.0\.1:1/);
  assert.match(printed.err, /MESH_UNREACHABLE/);
});

test("a wrong configuration exits 64 and lists all problems with file and line", async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-cli-"));
  try {
    const file = join(dir, "agent.yaml");
    await writeFile(file, "mesh: acme.mesh\nmember: {}\nport: 1\n");
    const printed = await run(["agent", "--config", file]);
    assert.equal(printed.code, 64);
    const lines = printed.err.trim().split("\n");
    assert.ok(lines.length >= 6, printed.err);
    for (const line of lines) assert.ok(line.startsWith(`${file}:`), line);
    assert.ok(lines.includes(`${file}:2: member.name: it is missing`), printed.err);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("a configuration file that is not there exits 64", async () => {
  const printed = await run(["gateway", "--config", "/nowhere/gateway.yaml"]);
  assert.equal(printed.code, 64);
  assert.match(printed.err, /^\/nowhere\/gateway\.yaml: it cannot be read/);
});

test("what an error says already is not said again as its cause", async () => {
  const printed = await run([
    "trust",
    "issue",
    "gateway",
    "--dir",
    "/nowhere",
    "--out",
    "/nowhere/g",
  ]);
  assert.match(printed.err, /^Cannot read "\/nowhere\/\S+": ENOENT/);
  assert.equal(printed.err.match(/ENOENT/g)?.length, 1, printed.err);
});

test("isthmus version prints the version of package.json", async () => {
  const printed = await run(["version"]);
  const { default: about } = await import("../../package.json", { with: { type: "json" } });
  assert.ok(printed.out.startsWith(`isthmus ${about.version} `), printed.out);
});
