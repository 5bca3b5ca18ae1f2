import assert from "node:assert/strict";
import { test } from "node:test";
import type { HubStatus } from "../../../src/discovery/publish/hub-status.ts";
import { ownFindings } from "../../../src/discovery/publish/own-findings.ts";
import { east } from "../support/made.ts";

const well: HubStatus = {
  name: "main",
  isReadable: true,
  isWritable: true,
  state: "synced",
  sinceMs: 0,
};

function foundAt(hub: HubStatus): readonly (readonly [string, string])[] {
  const findings = ownFindings(east, { held: [], fencedBy: undefined, hubs: [hub] });
  return findings.map(({ code, message }) => [code, message]);
}

test("a hub that works and has worked before is no finding", () => {
  assert.deepEqual(foundAt({ ...well, lastError: { reason: "it hung", atMs: 1 } }), []);
});

test("a hub that works, but not with the credentials of now, is a finding before it is lost", () => {
  const [[code, message] = []] = foundAt({ ...well, refusal: "it refuses the password" });
  assert.equal(code, "CATALOG_HUB_LOGIN_STALE");
  assert.match(message ?? "", /it refuses the password$/);
});

test("a hub that only takes no writes is told from one that cannot be read", () => {
  const reason = "its memory is full";
  const lastError = { reason, atMs: 1 };
  const [readOnly] = foundAt({ ...well, isWritable: false, lastError });
  const [gone] = foundAt({ ...well, isReadable: false, isWritable: false, lastError });
  assert.match(readOnly?.[1] ?? "", /takes no writes.*: its memory is full$/);
  assert.match(gone?.[1] ?? "", /cannot be read.*: its memory is full$/);
});

test("the last readable hub is an error of its own when it goes, one of several is not", () => {
  const gone = { ...well, isReadable: false };
  const codesAt = (...hubs: readonly HubStatus[]): readonly string[] =>
    ownFindings(east, { held: [], fencedBy: undefined, hubs })
      .filter(({ severity }) => severity === "error")
      .map(({ code }) => code);
  assert.deepEqual(codesAt(gone, { ...gone, name: "other" }), ["CATALOG_CUT_OFF"]);
  assert.deepEqual(codesAt(gone, { ...well, name: "other" }), []);
  assert.deepEqual(codesAt(), []);
});
