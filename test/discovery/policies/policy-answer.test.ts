import assert from "node:assert/strict";
import { test } from "node:test";
import {
  notActedUpon,
  seenPolicy,
  statusPatch,
} from "../../../src/discovery/policies/policy-answer.ts";

const now = new Date("2026-11-21T12:00:00.123Z");
const scope = (status: unknown, generation = 2): object => ({
  metadata: { name: "all", namespace: "shop", generation },
  status,
});

function answer(object: object): object | undefined {
  const seen = seenPolicy(object);
  assert.ok(seen);
  return statusPatch(seen, { answer: notActedUpon("Scope"), now });
}

test("statusPatch() speaks of this generation, with times as Kubernetes writes them", () => {
  const given = answer(scope(undefined)) as {
    status: { conditions: { type: string; lastTransitionTime: string }[] };
  };
  assert.deepEqual(
    given.status.conditions.map(({ type }) => type),
    ["Accepted", "Programmed"],
  );
  assert.equal(given.status.conditions[0]?.lastTransitionTime, "2026-11-21T12:00:00Z");
});

test("statusPatch() has nothing to write where it stands already", () => {
  const given = answer(scope(undefined)) as { status: object };
  assert.equal(answer(scope(given.status)), undefined);
});

test("statusPatch() speaks again when the object or somebody's status changed", () => {
  const given = answer(scope(undefined)) as { status: { conditions: object[] } };
  assert.notEqual(answer(scope(given.status, 3)), undefined);
  const wrong = { conditions: given.status.conditions.map((one) => ({ ...one, status: "True" })) };
  assert.notEqual(answer(scope(wrong)), undefined);
});

test("statusPatch() leaves the time of a condition that only has another reason", () => {
  const lastTransitionTime = "2026-01-01T00:00:00Z";
  const said = ["Accepted", "Programmed"].map((type) => ({
    type,
    status: type === "Accepted" ? "False" : "True",
    reason: "Else",
    observedGeneration: 2,
    lastTransitionTime,
  }));
  const given = answer(scope({ conditions: said })) as {
    status: { conditions: { lastTransitionTime: string }[] };
  };
  assert.deepEqual(
    given.status.conditions.map((one) => one.lastTransitionTime),
    [lastTransitionTime, "2026-11-21T12:00:00Z"],
  );
});

test("seenPolicy() takes whatever stands in a status, and nothing without a name", () => {
  for (const status of [null, 7, "x", [], { conditions: 7 }, { conditions: [null, 7, {}] }]) {
    assert.notEqual(answer(scope(status)), undefined);
  }
  for (const object of [null, 7, [], {}, { metadata: null }, { metadata: { name: 7 } }]) {
    assert.equal(seenPolicy(object), undefined);
  }
});
