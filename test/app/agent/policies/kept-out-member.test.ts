import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { ServiceAnswer } from "../../../../src/app/api-model.ts";
import { askUntil, until } from "../../support/ask.ts";
import { startTwoMembers, TestMesh } from "../../support/test-mesh.ts";

function policyYaml(members: readonly string[]): string {
  return `apiVersion: isthmus.dev/v1alpha1
kind: ImportPolicy
metadata: { name: shop }
spec: { namespaces: [shop], members: ${JSON.stringify(members)} }
`;
}

test("a proxy stops using a member that a policy in a file keeps out, and is back when it is gone", async () => {
  await using mesh = await TestMesh.open();
  const { east, caller } = await startTwoMembers(mesh);
  await east.drain(true);
  await askUntil(caller.url, "cart of west", { allowed: ["cart of east"] });
  const cart = (
    isSo: (cart: ServiceAnswer) => boolean,
  ): Promise<{ services: readonly ServiceAnswer[] }> =>
    until(`${east.agent.httpUrl}/api/v1/services`, ({ services }) =>
      services.some((one: ServiceAnswer) => one.service === "shop/cart" && isSo(one)),
    );
  const file = join(mesh.servicesDir("east"), "policy.yaml");

  await writeFile(file, policyYaml(["north"]));
  const { services } = await cart(({ keptOut }) => keptOut.length > 0);
  const [only] = services;
  assert.deepEqual(only?.remotes, []);
  assert.deepEqual(only?.keptOut, [{ member: "west", healthy: 1, total: 1, policies: ["shop"] }]);
  await until<{ findings: readonly { code: string }[] }>(
    `${east.agent.httpUrl}/api/v1/findings`,
    ({ findings }) => findings.some(({ code }) => code === "IMPORT_MEMBER_UNKNOWN"),
  );
  // Its own draining workload is all that is left.
  await askUntil(caller.url, "cart of east", { allowed: ["cart of west"] });

  // What cannot be read keeps its last good content.
  await writeFile(file, policyYaml(["West!"]));
  await until<{ findings: readonly { code: string }[] }>(
    `${east.agent.httpUrl}/api/v1/findings`,
    ({ findings }) => findings.some(({ code }) => code === "SOURCE_OBJECT_INVALID"),
  );
  await cart(({ keptOut, remotes }) => keptOut.length === 1 && remotes.length === 0);

  await rm(file);
  await cart(({ keptOut, remotes }) => keptOut.length === 0 && remotes.length === 1);
  await askUntil(caller.url, "cart of west", { allowed: ["cart of east"] });
});
