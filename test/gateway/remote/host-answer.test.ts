import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { FamilyAnswer, HostAnswer } from "../../../src/gateway/remote/host-answer.ts";
import {
  addressesOf,
  afterAnswer,
  askAgainInMs,
  complaintOf,
  unknownHost,
} from "../../../src/gateway/remote/host-answer.ts";

const none: FamilyAnswer = { t: "none" };
const failed: FamilyAnswer = { t: "failed", reason: "it is silent" };
const records = (addresses: readonly string[], ttlSeconds = 30): FamilyAnswer => ({
  t: "records",
  addresses,
  ttlSeconds,
});
const v4 = ["192.0.2.1", "192.0.2.2"];
const v6 = ["2001:db8::1"];
const known = afterAnswer(unknownHost, { v4: records(v4), v6: records(v6) }, 1_000);

suite("afterAnswer", () => {
  const kept: readonly (readonly [string, HostAnswer])[] = [
    ["nobody answers", { v4: failed, v6: failed }],
    ["the name is gone", { v4: none, v6: none }],
    ["one family is gone and nobody answers for the other", { v4: none, v6: failed }],
    ["both answers are empty", { v4: none, v6: none }],
  ];
  for (const [what, answer] of kept) {
    test(`keeps every address when ${what}`, () => {
      const next = afterAnswer(known, answer, 5_000);
      assert.deepEqual(addressesOf(next), [...v4, ...v6]);
      assert.deepEqual([next.failures, next.answeredAtMs], [1, 1_000]);
    });
  }

  test("keeps a family that nobody answers for beside one that has new addresses", () => {
    const next = afterAnswer(known, { v4: records(["192.0.2.9"]), v6: failed }, 5_000);
    assert.deepEqual(addressesOf(next), ["192.0.2.9", ...v6]);
    assert.deepEqual(next.failing, { sinceMs: 5_000, reason: "it is silent" });
  });

  test("drops a family that the name explicitly no longer has", () => {
    const next = afterAnswer(known, { v4: none, v6: records(v6) }, 5_000);
    assert.deepEqual(addressesOf(next), v6);
    assert.equal(next.failures, 0);
  });

  test("takes eight addresses of a family, those in use first, and complains of the rest", () => {
    const crowd = Array.from({ length: 30 }, (_, index) => `192.0.2.${index + 100}`);
    const next = afterAnswer(known, { v4: records([...crowd, ...v4]), v6: none }, 5_000);
    assert.equal(next.v4.length, 8);
    assert.ok(v4.every((address) => next.v4.includes(address)));
    assert.match(complaintOf(next, 5_000) ?? "", /^24 of its addresses are not used/);
  });

  test("complains of a name that never resolved at once, of others after a minute", () => {
    const never = afterAnswer(unknownHost, { v4: none, v6: none }, 1_000);
    assert.match(complaintOf(never, 1_000) ?? "", /never been resolved: the name has no address/);
    const lost = afterAnswer(known, { v4: failed, v6: failed }, 2_000);
    assert.equal(complaintOf(lost, 61_999), undefined);
    assert.match(
      complaintOf(lost, 62_000) ?? "",
      /for 60 s, its last addresses stay: it is silent/,
    );
    assert.equal(
      complaintOf(afterAnswer(lost, { v4: records(v4), v6: none }, 63_000), 1e9),
      undefined,
    );
  });
});

suite("askAgainInMs", () => {
  const lives: readonly (readonly [number, number])[] = [
    [0, 1_000],
    [-1, 1_000],
    [Number.NaN, 1_000],
    [1, 1_000],
    [17, 17_000],
    [60, 60_000],
    [86_400, 60_000],
    [2 ** 32 - 1, 60_000],
  ];
  for (const [ttlSeconds, waitMs] of lives) {
    test(`is ${waitMs} ms for a life of ${ttlSeconds} s`, () => {
      const answer = { v4: records(v4, ttlSeconds), v6: none };
      assert.equal(askAgainInMs({ answer, failures: 0, random: 0 }), waitMs);
    });
  }

  test("is up to a tenth less by chance, and never less than a second", () => {
    const at = (ttlSeconds: number): number =>
      askAgainInMs({ answer: { v4: records(v4, ttlSeconds), v6: none }, failures: 0, random: 1 });
    assert.deepEqual([at(60), at(1)], [54_000, 1_000]);
  });

  test("is the shorter of both families, and 1, 2, 4, 5 s while one fails", () => {
    const both = { v4: records(v4, 40), v6: records(v6, 9) };
    assert.equal(askAgainInMs({ answer: both, failures: 0, random: 0 }), 9_000);
    const half = { v4: records(v4, 40), v6: failed };
    const waits = [1, 2, 3, 4, 50].map((failures) =>
      askAgainInMs({ answer: half, failures, random: 0 }),
    );
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 5_000, 5_000]);
  });
});
