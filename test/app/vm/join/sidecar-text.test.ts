import assert from "node:assert/strict";
import { test } from "node:test";
import { readSidecarConfig } from "../../../../src/app/config/load-config.ts";
import { sidecarText } from "../../../../src/app/vm/join/sidecar-text.ts";

const written = `agent: ["10.0.0.1:15012", "[fd00::1]:15012"]
identity: { dir: ./svid }
engine: envoy
workload: vm-1
namespace: shop
serviceAccount: cart
zone: a
admin: 127.0.0.1:15021
upstreams:
  - { service: shop/db, port: 5432, listen: "127.0.0.1:15101" }
  - { service: shop/db, port: 5432, listen: "127.79.1.2:5432" }
inbound: [{ endpoint: "10.0.0.7:8080", listen: "10.0.0.7:15006", app: "127.0.0.1:8080" }]
registration: { group: shop/cart-vms, address: 10.0.0.7, allowExec: true }
dns: { listen: 127.0.0.1:15053 }
`;

test("sidecarText() writes what a sidecar reads back, word for word", () => {
  const parsed = readSidecarConfig({ name: "written", text: written });
  assert.equal(parsed.t, "ok");
  if (parsed.t !== "ok") return;
  const again = readSidecarConfig({ name: "again", text: sidecarText(parsed.config) });
  assert.deepEqual(again, parsed);
});

test("sidecarText() leaves out what is not said, and no program is allowed by accident", () => {
  const short = written.replace(/(zone|dns): .*\n/g, "").replace(", allowExec: true", "");
  const parsed = readSidecarConfig({ name: "short", text: short });
  assert.equal(parsed.t, "ok");
  if (parsed.t !== "ok") return;
  const text = sidecarText(parsed.config);
  assert.doesNotMatch(text, /zone|dns|allowExec/);
  assert.deepEqual(readSidecarConfig({ name: "again", text }), parsed);
});
