import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { parseMemberName } from "../../src/mesh/ids.ts";
import { levelFor, proxyZone } from "../../src/mesh/locality.ts";
import { Secret } from "../../src/mesh/secret.ts";
import { appProtocolOf } from "../../src/mesh/service.ts";

const east = { member: parseMemberName("east"), cloud: "aws", region: "us-east-1", zone: "a" };
const west = { ...east, member: parseMemberName("west") };

test("levelFor() is own-member inside one member whatever the zone", () => {
  assert.equal(levelFor(east, { ...east }), "own-member");
});

test("levelFor() is same-region for another member of the same region", () => {
  assert.equal(levelFor(east, west), "same-region");
});

test("levelFor() is other-region for a region of that name in another cloud", () => {
  assert.equal(levelFor(east, { ...west, cloud: "azure" }), "other-region");
});

test("proxyZone() keeps equal zone names of two members apart", () => {
  assert.notEqual(proxyZone(east), proxyZone(west));
});

test("Secret shows itself only when asked to", () => {
  const secret = new Secret("hunter2");
  assert.equal(String(secret), "[redacted]");
  assert.equal(JSON.stringify({ secret }), '{"secret":"[redacted]"}');
  assert.ok(!inspect({ secret }, { showHidden: true, depth: null }).includes("hunter2"));
  assert.equal(secret.reveal(), "hunter2");
});

for (const [port, expected] of [
  [{ name: "http", appProtocol: undefined }, "http"],
  [{ name: "http-web", appProtocol: undefined }, "http"],
  [{ name: "grpc-api", appProtocol: undefined }, "grpc"],
  [{ name: "web", appProtocol: "kubernetes.io/h2c" }, "http2"],
  [{ name: "http", appProtocol: "tcp" }, "tcp"],
  [{ name: "", appProtocol: undefined }, "tcp"],
  [{ name: "httpfoo", appProtocol: undefined }, "tcp"],
] as const) {
  test(`appProtocolOf() is ${expected} for ${JSON.stringify(port)}`, () => {
    const { name, appProtocol } = port;
    const stated = appProtocol === undefined ? {} : { appProtocol };
    assert.equal(appProtocolOf({ name, port: 80, protocol: "TCP", ...stated }), expected);
  });
}
