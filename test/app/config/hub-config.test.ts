import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { agentConfigParser } from "../../../src/app/config/agent-config.ts";
import type { HubConfig } from "../../../src/app/config/config.ts";
import { parseConfig } from "../../../src/app/config/config-parser.ts";

function read(hubs: string): ReturnType<typeof parseConfig<{ catalog: { hubs?: unknown } }>> {
  const text = `mesh: acme.mesh
member: { name: east, cloud: aws, region: us-east-1 }
trust: { dir: ./trust }
sources: [{ files: ./services }]
catalog:
  snapshotDir: ./state
  hubs: ${hubs}
`;
  return parseConfig({ file: "a.yaml", folder: "/etc/isthmus", text }, agentConfigParser);
}

function hubsOf(text: string): readonly HubConfig[] {
  const parsed = read(text);
  assert.ok(parsed.t === "ok", JSON.stringify(parsed));
  return parsed.config.catalog.hubs as readonly HubConfig[];
}

function problemsOf(text: string): readonly string[] {
  const parsed = read(text);
  assert.ok(parsed.t === "invalid");
  return parsed.problems.map(({ path, message }) => `${path}: ${message}`);
}

suite("catalog.hubs", () => {
  test("reads the design's example with paths made absolute and the host as name", () => {
    const hub = `{ url: "rediss://hub-eu:6379", username: eks-us-east-1, passwordFile: ./hub.pw, caFile: ./hub-ca.pem }`;
    assert.deepEqual(hubsOf(`[${hub}]`), [
      {
        url: "rediss://hub-eu:6379",
        name: "hub-eu:6379",
        username: "eks-us-east-1",
        passwordFile: "/etc/isthmus/hub.pw",
        caFile: "/etc/isthmus/hub-ca.pem",
      },
    ]);
  });

  test("takes several hubs of any shape", () => {
    const hubs = hubsOf(`
    - { url: "redis://127.0.0.1:7000", name: eu }
    - { url: "redis+sentinel://s1:26379,[fd00::1]:26379/mymaster" }
    - { url: "rediss+cluster://c1:6379,c2:6379" }`);
    assert.deepEqual(
      hubs.map(({ name }) => name),
      ["eu", "s1:26379,[fd00::1]:26379/mymaster", "c1:6379,c2:6379"],
    );
  });

  test("reports every mistake at once", () => {
    const problems = problemsOf(`
    - { url: "redis://h:1/3" }
    - { url: "http://h:1", nmae: x }
    - { url: "redis://h:1", certFile: c.pem, username: u }
    - { url: "redis+sentinel://h:1" }
    - { url: "redis://h:0" }
    - { url: "redis://a:1,b:2" }`);
    assert.deepEqual(
      problems.map((line) => line.split(":")[0]),
      [
        "catalog.hubs[0].url",
        "catalog.hubs[1].nmae",
        "catalog.hubs[1].url",
        "catalog.hubs[2]",
        "catalog.hubs[3].url",
        "catalog.hubs[4].url",
        "catalog.hubs[5].url",
      ],
    );
    const third = problems.find((line) => line.startsWith("catalog.hubs[2]")) ?? "";
    for (const part of ["certFile needs keyFile", "username needs passwordFile", "rediss"]) {
      assert.ok(third.includes(part), third);
    }
  });

  for (const url of ["redis://east:hunter2@h:1", "redis://:hunter2@h:1", "rediss://east@h:1"]) {
    test(`refuses ${url} without repeating it`, () => {
      const [problem = ""] = problemsOf(`[{ url: "${url}" }]`);
      assert.match(problem, /passwordFile/);
      assert.doesNotMatch(problem, /hunter2|east/);
    });
  }

  test("refuses two hubs of one name, also where one has it from its url", () => {
    const [problem = ""] = problemsOf(
      `[{ url: "redis://h:1" }, { url: "redis://i:1", name: "h:1" }]`,
    );
    assert.match(problem, /two hubs are called "h:1"/);
  });

  test("refuses an empty list", () => {
    assert.deepEqual(problemsOf("[]"), ["catalog.hubs: it needs at least 1"]);
  });
});
