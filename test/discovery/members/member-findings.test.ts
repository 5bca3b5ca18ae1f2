import assert from "node:assert/strict";
import { test } from "node:test";
import { memberFindings } from "../../../src/discovery/members/member-findings.ts";
import type { MemberState } from "../../../src/discovery/members/member-state.ts";
import { east } from "../support/made.ts";

const said = (state: MemberState, isAnyHubReadable = true): unknown[] =>
  memberFindings([{ member: east, state }], { isAnyHubReadable }).map(
    ({ code, severity, subject }) => [code, severity, subject],
  );

test("a member whose agent is silent is a warning, one that is silent altogether an error", () => {
  assert.deepEqual(said("live"), []);
  // Its gateways are a finding of their own.
  assert.deepEqual(said("unreachable"), []);
  assert.deepEqual(said("stale"), [["CATALOG_MEMBER_STALE", "warning", "east"]]);
  assert.deepEqual(said("down"), [["CATALOG_MEMBER_DOWN", "error", "east"]]);
});

test("without a hub nothing is said of members, whose leases are then all lost", () => {
  assert.deepEqual(said("stale", false), []);
  assert.deepEqual(said("down", false), []);
});
