import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { MemberAnswer, StatusAnswer } from "../../../../src/app/api-model.ts";
import { run } from "../../../cli/fake-terminal.ts";
import { until } from "../../support/ask.ts";
import { writeService } from "../../support/shop.ts";
import { TestMesh } from "../../support/test-mesh.ts";

test("held withdrawals are shown with what to type, and go when exactly that is typed", async () => {
  await using mesh = await TestMesh.open();
  for (const name of ["east", "west"]) await mesh.issue(name, name);
  const dir = mesh.servicesDir("east");
  const names = ["cart", "frontend", "users"];
  for (const name of names) await writeService(dir, { name, isExported: true, workloads: [] });
  await writeService(mesh.servicesDir("west"), { name: "own", isExported: false, workloads: [] });
  const east = await mesh.startAgent(mesh.agentConfig("east", "east", 1));
  const west = await mesh.startAgent(mesh.agentConfig("west", "west", 2));
  const exportsOfEast = (count: number): Promise<unknown> =>
    until<{ members: MemberAnswer[] }>(`${west.httpUrl}/api/v1/members`, ({ members }) =>
      members.some(({ name, exports }) => name === "east" && exports === count),
    );
  await exportsOfEast(3);
  const agent = ["--agent", east.httpUrl];
  assert.deepEqual(await run(["catalog", "confirm", ...agent]), {
    code: 0,
    out: "nothing is held\n",
    err: "",
  });

  await Promise.all(names.slice(1).map((name) => rm(join(dir, `${name}.yaml`))));
  const { catalog } = await until<StatusAnswer>(
    `${east.httpUrl}/api/v1/status`,
    (status) => status.catalog.held?.services.length === 2,
  );
  assert.deepEqual(catalog.held?.services, ["shop/frontend", "shop/users"]);
  const { code } = catalog.held;
  const status = await run(["status", ...agent]);
  assert.match(status.out, new RegExp(`held .*2 exports .*isthmus catalog confirm ${code}`));
  const listed = await run(["catalog", "confirm", ...agent]);
  assert.match(listed.out, new RegExp(`shop/frontend\n.*shop/users\n.*confirm ${code}`));

  const wrong = await run(["catalog", "confirm", "00000000", ...agent]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /"00000000" does not name what is held now/);
  await exportsOfEast(3);

  const done = await run(["catalog", "confirm", code, ...agent]);
  assert.deepEqual(done, { code: 0, out: "2 exports withdrawn\n", err: "" });
  await exportsOfEast(1);
});
