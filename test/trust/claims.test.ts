import assert from "node:assert/strict";
import { test } from "node:test";
import type { CharterMember } from "../../src/mesh/charter.ts";
import type { Claim } from "../../src/mesh/claim.ts";
import { parseMemberName, parseNamespace, parseSpiffeId } from "../../src/mesh/ids.ts";
import { judgeClaim } from "../../src/trust/claims.ts";
import { cartId, east, madeMesh, westCartId } from "./made.ts";

const { charter } = (await madeMesh()).charter;

function verdictFor(claim: Claim, change: Partial<CharterMember> = {}): string {
  const members = charter.members.map((one) => (one.name === east ? { ...one, ...change } : one));
  return judgeClaim({ ...charter, members }, { member: east, claim }).t;
}

const exportOf = (namespace: string): Claim => ({
  t: "export",
  namespace: parseNamespace(namespace),
});
const address = (text: string): Claim => ({ t: "address", address: text });
const identity = (text: string): Claim => ({ t: "identity", id: parseSpiffeId(text) });

const cases: readonly [Claim, Partial<CharterMember>, "ok" | "dropped"][] = [
  [exportOf("shop"), {}, "ok"],
  [exportOf("shop"), { mayExport: ["shop"] }, "ok"],
  [exportOf("shop"), { mayExport: ["bank"] }, "dropped"],
  [exportOf("shop"), { mayExport: [] }, "dropped"],
  [exportOf("shop"), { state: "leaving" }, "ok"],
  [exportOf("shop"), { state: "denied" }, "dropped"],
  [identity(cartId), {}, "ok"],
  [identity(westCartId), {}, "dropped"],
  [identity("spiffe://x.east.acme.mesh/ns/a/sa/b"), {}, "dropped"],
  [identity("spiffe://east.acme.mesh/isthmus/agent"), {}, "dropped"],
  [identity("spiffe://east.acme.mesh"), {}, "dropped"],
  [address("10.0.0.1"), {}, "ok"],
  [address("2001:db8::1"), {}, "ok"],
  [address("127.0.0.1"), {}, "dropped"],
  [address("::1"), {}, "dropped"],
  [address("169.254.169.254"), {}, "dropped"],
  [address("::ffff:127.0.0.1"), {}, "dropped"],
  [address("gw.example.com"), {}, "dropped"],
  [address("10.1.2.3"), { gatewayRanges: ["10.0.0.0/8"] }, "ok"],
  [address("::ffff:10.1.2.3"), { gatewayRanges: ["10.0.0.0/8"] }, "ok"],
  [address("11.1.2.3"), { gatewayRanges: ["10.0.0.0/8"] }, "dropped"],
  [address("127.0.0.1"), { gatewayRanges: ["10.0.0.0/8", "127.0.0.0/8"] }, "ok"],
  [address("gw.example.com"), { gatewayRanges: ["0.0.0.0/0"] }, "dropped"],
];

for (const [claim, change, expected] of cases) {
  const { t, ...what } = claim;
  test(`judgeClaim() finds ${t} ${Object.values(what).join()} ${expected} under ${JSON.stringify(change)}`, () => {
    assert.equal(verdictFor(claim, change), expected);
  });
}

test("judgeClaim() drops whatever a member outside the charter says", () => {
  const member = parseMemberName("north");
  assert.equal(judgeClaim(charter, { member, claim: exportOf("shop") }).t, "dropped");
});
