import assert from "node:assert/strict";
import { test } from "node:test";
import { createRenewalAlarms } from "../../../../src/app/agent/issuer/renewal-alarms.ts";
import type { Identity, IdentitySource, Peer } from "../../../../src/mesh/ports.ts";
import { cartId } from "../../../trust/made.ts";

const hourMs = 3_600_000;

function clockAt(hours: () => number): { nowMs: () => number; monotonicMs: () => number } {
  return { nowMs: () => hours() * hourMs, monotonicMs: () => hours() * hourMs };
}

function peer(leafSha256: string, beganHours = 0): Peer {
  const notBeforeMs = beganHours * hourMs;
  const notAfterMs = notBeforeMs + 24 * hourMs;
  return {
    id: cartId,
    leafSha256,
    notBeforeMs,
    notAfterMs,
    issuerSpkiSha256: "",
    isExpired: false,
  };
}

test("renewal alarms speak of a proxy that is later than its phase and its retries explain", () => {
  let hours = 0;
  const alarms = createRenewalAlarms({ clock: clockAt(() => hours), identities: [] });
  const severityAt = (now: number): string | undefined => {
    hours = now;
    alarms.note(peer("stuck"));
    alarms.note(peer(`renewed ${Math.floor(now / 12)}`, Math.floor(now / 12) * 12));
    return alarms.findings()[0]?.severity;
  };
  // Half of 24 h, a tenth of that, and two hundredths of the whole: 13.68 h.
  assert.deepEqual([13, 13.6, 13.7, 21.5, 21.7].map(severityAt), [
    undefined,
    undefined,
    "warning",
    "warning",
    "error",
  ]);
  assert.equal(alarms.overdue().proxies, 1);
});

test("renewal alarms forget a proxy that comes no more", () => {
  let hours = 14;
  const alarms = createRenewalAlarms({ clock: clockAt(() => hours), identities: [] });
  alarms.note(peer("gone"));
  assert.equal(alarms.overdue().proxies, 1);
  hours += 0.4;
  alarms.note(peer("here", 14));
  assert.equal(alarms.overdue().proxies, 0);
  assert.deepEqual(alarms.findings(), []);
});

test("renewal alarms speak of the agent's own identities", () => {
  let hours = 1;
  const identity = { id: cartId, notBeforeMs: 0, notAfterMs: 24 * hourMs } as Identity;
  const source: IdentitySource = { current: () => identity, onChange: () => () => {} };
  const alarms = createRenewalAlarms({ clock: clockAt(() => hours), identities: [source] });
  assert.equal(alarms.overdue().agent, 0);
  hours = 20;
  assert.deepEqual(
    alarms.findings().map(({ code, subject }) => [code, subject]),
    [["TRUST_SVID_OVERDUE", cartId]],
  );
});
