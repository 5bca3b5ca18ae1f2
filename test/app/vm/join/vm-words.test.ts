import assert from "node:assert/strict";
import { test } from "node:test";
import { readVmWords, type VmWords } from "../../../../src/app/vm/join/vm-words.ts";
import { noWords } from "./no-words.ts";

test("readVmWords() reads several agents, upstreams with and without an address, and addresses in one spelling", () => {
  const options = readVmWords({
    ...noWords,
    agent: "a.example:15012, [fd00::1]:15012",
    upstreams: ["shop/cart:80", "shop/db:5432=127.0.0.1:5432"],
    address: "FD00:0::7",
    dns: "off",
  });
  assert.deepEqual(options.agents, [
    { host: "a.example", port: 15_012 },
    { host: "fd00::1", port: 15_012 },
  ]);
  assert.deepEqual(options.upstreams, [
    { service: "shop/cart", port: 80 },
    { service: "shop/db", port: 5432, listen: { host: "127.0.0.1", port: 5432 } },
  ]);
  assert.deepEqual([options.address, options.dns, options.engine], ["fd00::7", "off", "embedded"]);
});

const wrong: readonly (readonly [string, Partial<VmWords>, RegExp])[] = [
  ["an agent without a port", { agent: "a.example" }, /--agent "a\.example": .*host:port/],
  ["ten agents", { agent: Array(10).fill("a:1").join() }, /more than 9/],
  ["an upstream without a port", { upstreams: ["shop/cart"] }, /NAMESPACE\/NAME:PORT/],
  ["an upstream with port 0", { upstreams: ["shop/cart:0"] }, /NAMESPACE\/NAME:PORT/],
  ["an upstream of no service", { upstreams: ["Cart:80"] }, /--upstream "Cart:80"/],
  ["an upstream at a name", { upstreams: ["shop/cart:80=localhost:1"] }, /no IP address/],
  ["a name that is no label", { name: "VM_1" }, /--name "VM_1": it is no DNS label/],
  ["an address that is a name", { address: "vm.example" }, /--address "vm\.example"/],
  ["a group without a namespace", { group: "cart" }, /NAMESPACE\/NAME/],
  ["an unknown engine", { engine: "nginx" }, /embedded or envoy/],
];
for (const [what, words, message] of wrong) {
  test(`readVmWords() refuses ${what}`, () => {
    assert.throws(() => readVmWords({ ...noWords, ...words }), { code: "MESH_USAGE", message });
  });
}

test("readVmWords() makes a label of the host's name where nobody gives one", () => {
  assert.match(
    readVmWords({ ...noWords, name: undefined }).name,
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/,
  );
});
