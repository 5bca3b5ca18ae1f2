import assert from "node:assert/strict";
import { test } from "node:test";
import {
  canonicalIp,
  formatHostPort,
  isInRange,
  isIp,
  isRoutable,
  parseHostPort,
  parseIpRange,
} from "../../src/mesh/address.ts";

const refused = { code: "MESH_ADDRESS_INVALID" };

for (const [text, host, port] of [
  ["10.0.0.1:80", "10.0.0.1", 80],
  ["gw.acme.example:15443", "gw.acme.example", 15443],
  ["[::1]:0", "::1", 0],
] as const) {
  test(`parseHostPort() reads ${text} and formatHostPort() writes it back`, () => {
    assert.deepEqual(parseHostPort(text), { host, port });
    assert.equal(formatHostPort({ host, port }), text);
  });
}

for (const text of [
  "",
  "a",
  "a:",
  ":80",
  "a:b",
  "a:65536",
  "::1:80",
  "a b:80",
  "http://a:80",
  "[a]:80",
]) {
  test(`parseHostPort() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseHostPort(text), refused);
  });
}

for (const text of [
  "1.2.3.4",
  "0.0.0.0",
  "::",
  "::1",
  "fe80::1",
  "1:2:3:4:5:6:7:8",
  "::ffff:1.2.3.4",
]) {
  test(`isIp() takes ${text}`, () => assert.ok(isIp(text)));
}

for (const text of [
  "",
  "1.2.3",
  "1.2.3.256",
  "01.2.3.4",
  "1.2.3.4.5",
  ":::",
  "1::2::3",
  "1:2:3:4:5:6:7:8:9",
  "g::1",
  "a.example",
]) {
  test(`isIp() refuses ${JSON.stringify(text)}`, () => assert.ok(!isIp(text)));
}

for (const [address, range, expected] of [
  ["10.1.2.3", "10.0.0.0/8", true],
  ["11.1.2.3", "10.0.0.0/8", false],
  ["10.1.2.3", "0.0.0.0/0", true],
  ["10.1.2.3", "10.1.2.3", true],
  ["::ffff:10.1.2.3", "10.0.0.0/8", true],
  ["2001:db8::1", "2001:db8::/32", true],
  ["2001:db9::1", "2001:db8::/32", false],
  ["10.1.2.3", "::/0", false],
] as const) {
  test(`isInRange() is ${expected} for ${address} in ${range}`, () => {
    assert.equal(isInRange(address, parseIpRange(range)), expected);
  });
}

for (const text of [
  "10.0.0.0/33",
  "10.0.0.0/-1",
  "10.0.0.0/a",
  "10.0.0/8",
  "::/129",
  "10.0.0.0/8/8",
  "",
]) {
  test(`parseIpRange() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseIpRange(text), refused);
  });
}

for (const address of [
  "127.0.0.1",
  "169.254.1.1",
  "224.0.0.1",
  "0.0.0.0",
  "::1",
  "fe80::1",
  "::ffff:127.0.0.1",
  "a.example",
]) {
  test(`isRoutable() refuses ${address}`, () => assert.ok(!isRoutable(address)));
}

for (const address of ["10.0.0.1", "203.0.113.7", "2001:db8::1"]) {
  test(`isRoutable() takes ${address}`, () => assert.ok(isRoutable(address)));
}

const spellings = [
  ["10.0.0.7", "10.0.0.7"],
  ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
  ["::ffff:10.0.0.7", "10.0.0.7"],
  ["::FFFF:a00:7", "10.0.0.7"],
  ["0:0:0:0:0:ffff:255.255.255.255", "255.255.255.255"],
  ["::10.0.0.7", "::a00:7"],
  ["::ffff:0:10.0.0.7", "::ffff:0:a00:7"],
] as const;
for (const [written, wanted] of spellings) {
  test(`canonicalIp() writes ${written} as ${wanted}`, () => {
    assert.equal(canonicalIp(written), wanted);
  });
}
