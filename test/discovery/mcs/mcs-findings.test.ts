import assert from "node:assert/strict";
import { test } from "node:test";
import { mcsFindings } from "../../../src/discovery/mcs/mcs-findings.ts";

const nothing = { blocked: new Map(), failed: new Map() };
const refused = (code: number) => ({ t: "refused", code, message: "no" }) as const;

test("mcsFindings() says what unreadable imports mean before and after they were known", () => {
  const messageOf = (code: number, isKnown: boolean): string | undefined =>
    mcsFindings({ ...nothing, missing: refused(code), isKnown })[0]?.message;
  assert.match(messageOf(404, false) ?? "", /so nothing is imported; apply deploy\/crds/);
  assert.match(messageOf(404, true) ?? "", /nothing more is imported, .*; apply deploy\/crds/);
  assert.match(messageOf(403, false) ?? "", /cannot be read, so nothing is imported: no/);
  assert.deepEqual(mcsFindings({ ...nothing, missing: undefined, isKnown: true }), []);
});
