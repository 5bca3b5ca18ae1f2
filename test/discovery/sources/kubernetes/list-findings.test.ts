import assert from "node:assert/strict";
import { test } from "node:test";
import { watchedLists } from "../../../../src/discovery/sources/kubernetes/kinds.ts";
import {
  type ListState,
  listFindings,
} from "../../../../src/discovery/sources/kubernetes/list-findings.ts";
import {
  type ReadProblem,
  retryInMs,
} from "../../../../src/discovery/sources/kubernetes/retry-pace.ts";

const lists = watchedLists(undefined);

function states(problem: ReadProblem, failures = 2): ListState[] {
  return lists.map((list) => ({ list, problem, failures, unreadable: 0 }));
}

function refused(code: number): ReadProblem {
  return { t: "refused", code, message: "the server says why" };
}

function codesOf(of: readonly ListState[]): readonly string[] {
  return listFindings("kubernetes:east", of).map(({ code }) => code);
}

test("listFindings() says once that the server is away, and not at the first failure", () => {
  const away: ReadProblem = { t: "unreachable", reason: "connect ECONNREFUSED" };
  assert.deepEqual(codesOf(states(away)), ["SOURCE_API_UNREACHABLE"]);
  assert.deepEqual(codesOf(states(away, 1)), []);
});

for (const [code, expected] of [
  [401, "SOURCE_API_UNAUTHENTICATED"],
  [403, "SOURCE_API_FORBIDDEN"],
  [404, "SOURCE_API_KIND_MISSING"],
  [500, "SOURCE_API_REFUSED"],
] as const) {
  test(`listFindings() makes ${expected} of ${code}, for each list by its resource`, () => {
    const findings = listFindings("kubernetes:east", states(refused(code)));
    assert.deepEqual(new Set(findings.map((found) => found.code)), new Set([expected]));
    for (const [index, { message }] of findings.entries()) {
      assert.ok(message.includes(lists[index]?.rules.resource ?? "?"), message);
    }
  });
}

test("listFindings() has no word for a list that is read again", () => {
  assert.deepEqual(codesOf(states(refused(410))), []);
});

test("listFindings() names the namespace of a list, and what a server wrote cannot break the line", () => {
  const [list] = watchedLists(["shop"]);
  assert.ok(list !== undefined);
  const problem: ReadProblem = { t: "refused", code: 403, message: "no\n\u001b[31m" };
  const [found] = listFindings("kubernetes:east", [{ list, problem, failures: 1, unreadable: 0 }]);
  assert.match(found?.message ?? "", /in namespace shop/);
  assert.doesNotMatch(found?.message ?? "", /\p{Cc}/u);
});

test("retryInMs() grows to three seconds, to ten where a right is missing, and is random in all of it", () => {
  const away: ReadProblem = { t: "unreachable", reason: "" };
  const most = (problem: ReadProblem, failures: number): number =>
    retryInMs(problem, { failures, random: () => 1 });
  assert.deepEqual(
    [0, 1, 2, 30].map((failures) => most(away, failures)),
    [100, 200, 400, 3000],
  );
  assert.equal(most(refused(403), 30), 10_000);
  assert.equal(retryInMs(away, { failures: 30, random: () => 0 }), 0);
});

test("retryInMs() waits for as long as the server asks, within reason", () => {
  const busy = { t: "refused", code: 429, message: "", retryAfterMs: 5000 } as const;
  assert.equal(retryInMs(busy, { failures: 0, random: () => 0 }), 5000);
  const forever = { ...busy, retryAfterMs: 1e9 };
  assert.equal(retryInMs(forever, { failures: 0, random: () => 0 }), 30_000);
});
