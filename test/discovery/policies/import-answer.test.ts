import assert from "node:assert/strict";
import { test } from "node:test";
import { importAnswer, type Programming } from "../../../src/discovery/policies/import-answer.ts";
import { type PolicyAnswer, seenPolicy } from "../../../src/discovery/policies/policy-answer.ts";
import { readApiObject } from "../../../src/discovery/sources/kubernetes/read-api-object.ts";

const taken = {
  t: "taken",
  generation: 2,
  told: 3,
  acknowledged: 3,
  isProgrammed: true,
} as const satisfies Programming;

function answer(
  programming: Programming,
  { spec, status }: { readonly spec?: object; readonly status?: object } = {},
): PolicyAnswer | undefined {
  const object = {
    apiVersion: "isthmus.dev/v1alpha1",
    kind: "ImportPolicy",
    metadata: { name: "shop", generation: 2 },
    spec: spec ?? { namespaces: ["shop"], members: ["east"] },
    status,
  };
  const seen = seenPolicy(object);
  assert.ok(seen);
  return importAnswer(seen, { reading: readApiObject("ImportPolicy/shop", object), programming });
}

function words(given: PolicyAnswer | undefined): readonly string[] | undefined {
  return given?.conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

test("importAnswer() is programmed with the number of proxies that acknowledged", () => {
  const given = answer(taken);
  assert.deepEqual(words(given), ["Accepted True Accepted", "Programmed True Programmed"]);
  assert.deepEqual(given?.proxies, { told: 3, acknowledged: 3 });
});

test("importAnswer() is pending while proxies have not acknowledged it", () => {
  const given = answer({ ...taken, acknowledged: 1, isProgrammed: false });
  assert.deepEqual(words(given), ["Accepted True Accepted", "Programmed False Pending"]);
  assert.match(given?.conditions[1]?.message ?? "", /^1 of 3 proxies/);
});

test("importAnswer() says nothing of a generation that was not taken in", () => {
  assert.equal(answer({ t: "waiting" }), undefined);
  assert.equal(answer({ ...taken, generation: 1 }), undefined);
});

test("importAnswer() does not take back what was true of this generation", () => {
  const programmed = (observedGeneration: number): object => ({
    conditions: [{ type: "Programmed", status: "True", reason: "Programmed", observedGeneration }],
  });
  const pending = { ...taken, isProgrammed: false };
  assert.deepEqual(
    words(answer(pending, { status: programmed(2) }))?.[1],
    "Programmed True Programmed",
  );
  assert.deepEqual(
    words(answer(pending, { status: programmed(1) }))?.[1],
    "Programmed False Pending",
  );
});

test("importAnswer() names all wrong fields, and what stays in use", () => {
  const spec = { namespaces: ["*", "shop"], members: ["East", 7] };
  const given = answer({ ...taken, generation: 1 }, { spec });
  assert.deepEqual(words(given), ["Accepted False Invalid", "Programmed False Invalid"]);
  const message = given?.conditions[0]?.message ?? "";
  for (const part of [
    /spec\.namespaces:/,
    /spec\.members\[0\]:/,
    /spec\.members\[1\]:/,
    /generation 1 /,
  ]) {
    assert.match(message, part);
  }
});

test("importAnswer() says where no source reads policies", () => {
  assert.deepEqual(words(answer({ t: "unfollowed" }))?.[0], "Accepted False NotActedUpon");
});
