import assert from "node:assert/strict";
import { test } from "node:test";
import { ImportPolicies } from "../../../../src/app/agent/policies/import-policies.ts";
import type { ImportPolicy } from "../../../../src/discovery/policies/import-policy.ts";

const policy: ImportPolicy = { name: "shop", generation: 1, namespaces: ["shop"], members: [] };

function made(): {
  readonly policies: ImportPolicies;
  readonly now: { isBuilt: boolean; connected: string[]; unanswered: string[]; refusing: string[] };
  readonly state: () => string;
} {
  const now = { isBuilt: true, connected: ["a", "b"], unanswered: ["b"], refusing: [""] };
  const policies = new ImportPolicies({
    isBuilt: () => now.isBuilt,
    proxies: () => ({
      connected: new Set(now.connected),
      unanswered: new Set(now.unanswered),
      refusing: new Set(now.refusing),
    }),
  });
  const state = (): string => {
    const is = policies.programmingOf("files:x", "shop");
    return is.t === "taken" ? `${is.acknowledged}/${is.told} ${is.isProgrammed}` : is.t;
  };
  return { policies, now, state };
}

test("a policy is programmed when all proxies that were there have answered", () => {
  const { policies, now, state } = made();
  assert.equal(state(), "unfollowed");
  policies.take("files:x", []);
  assert.equal(state(), "waiting");
  policies.take("files:x", [policy]);
  now.isBuilt = false;
  policies.look();
  policies.look();
  assert.equal(state(), "0/0 false");
  now.isBuilt = true;
  policies.look();
  policies.look();
  assert.equal(state(), "1/2 false");
  // Another one came, and the one that answered is sent something else.
  now.connected = ["a", "b", "c"];
  now.unanswered = ["a", "b", "c"];
  policies.look();
  assert.equal(state(), "1/2 false");
  now.unanswered = ["a", "c"];
  policies.look();
  assert.equal(state(), "2/2 true");
});

test("a proxy that refuses what it was sent has not acknowledged it; one that is gone does not count", () => {
  const { policies, now, state } = made();
  policies.take("files:x", [policy]);
  now.unanswered = [];
  now.refusing = ["b"];
  policies.look();
  policies.look();
  policies.look();
  assert.equal(state(), "1/2 false");
  now.connected = ["a"];
  policies.look();
  assert.equal(state(), "1/1 true");
});

test("take() gives the policies of all sources, and asks again only about what changed", () => {
  const { policies, now, state } = made();
  policies.take("files:x", [policy]);
  assert.equal(policies.take("files:y", [{ ...policy, members: ["east"] }]).length, 2);
  now.unanswered = [];
  policies.look();
  policies.look();
  assert.equal(state(), "2/2 true");
  policies.take("files:x", [{ ...policy }]);
  assert.equal(state(), "2/2 true");
  policies.take("files:x", [{ ...policy, generation: 2 }]);
  assert.equal(state(), "0/0 false");
});
