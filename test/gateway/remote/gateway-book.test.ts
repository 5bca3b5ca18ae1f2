import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { GatewayBook, StatedGateway } from "../../../src/gateway/remote/gateway-book.ts";
import {
  hostsIn,
  maxAddressesPerMember,
  nameKey,
  stateOfEntry,
  withProbe,
  withStated,
} from "../../../src/gateway/remote/gateway-book.ts";

const name = "gw.west.example";

function gateway(address: string, more: Partial<StatedGateway> = {}): StatedGateway {
  return { name, address, port: 15_443, ...more };
}

function state(book: GatewayBook, stated: readonly StatedGateway[]): GatewayBook {
  return withStated(book, { stated, names: new Set([nameKey({ name, port: 15_443 })]) });
}

function probe(book: GatewayBook, address: string, isAlive: boolean): GatewayBook {
  return withProbe(book, { address, port: 15_443, isAlive });
}

const used = (book: GatewayBook): string[] =>
  hostsIn(book).map(({ address, isAlive }) => (isAlive ? address : `${address} silent`));
const states = (book: GatewayBook): string[] => book.map(stateOfEntry);

const [a, b, c] = [gateway("192.0.2.1"), gateway("192.0.2.2"), gateway("192.0.2.3")];
const serving = probe(state([], [a]), a.address, true);

suite("a book of gateways", () => {
  test("first addresses are taken at their word", () => {
    const book = state([], [a, b]);
    assert.deepEqual(used(book), [a.address, b.address]);
    assert.deepEqual(used(probe(book, a.address, true)), [a.address, b.address]);
  });

  test("an address that comes beside one that serves gets traffic when it answers", () => {
    const book = state(serving, [a, b]);
    assert.deepEqual(used(book), [a.address]);
    assert.deepEqual(states(book), ["live", "trial"]);
    assert.deepEqual(used(probe(book, b.address, true)), [a.address, b.address]);
  });

  test("one on trial that never answers is used when the one that served falls silent", () => {
    const book = probe(state(serving, [a, b]), a.address, false);
    assert.deepEqual(used(book), [`${a.address} silent`, b.address]);
  });

  test("an address that DNS replaces stays until one of the new answers", () => {
    const moved = state(serving, [b, c]);
    assert.deepEqual(used(moved), [a.address]);
    assert.deepEqual(states(moved), ["trial", "trial", "leaving"]);
    const arrived = probe(moved, c.address, true);
    assert.deepEqual(used(arrived), [c.address]);
    assert.deepEqual(states(arrived), ["trial", "live"]);
  });

  test("an address that DNS replaces and that falls silent goes at once", () => {
    const moved = probe(state(serving, [b]), a.address, false);
    assert.deepEqual(used(moved), [b.address]);
    assert.deepEqual(states(moved), ["trial"]);
  });

  test("an address that leaves beside a sibling that serves goes at once", () => {
    const both = probe(state(serving, [a, b]), b.address, true);
    assert.deepEqual(used(state(both, [b])), [b.address]);
  });

  test("what the record no longer names goes, whether or not it answers", () => {
    assert.deepEqual(withStated(serving, { stated: [], names: new Set() }), []);
    const other = gateway("192.0.2.9", { name: "192.0.2.9" });
    const names = new Set([nameKey(other)]);
    const book = withStated(serving, { stated: [other], names });
    assert.deepEqual(used(book), ["192.0.2.9"]);
  });

  test("an address that comes back keeps what probes said of it", () => {
    const back = state(state(serving, [b]), [a, b]);
    assert.deepEqual(states(back), ["live", "trial"]);
  });

  test("a draining gateway is no sibling to wait for", () => {
    const draining = state(serving, [{ ...a, isDraining: true }, b]);
    assert.deepEqual(states(draining), ["draining", "trial"]);
    const later = state(state(serving, [{ ...a, isDraining: true }]), [
      { ...a, isDraining: true },
      b,
    ]);
    assert.deepEqual(
      hostsIn(later).map(({ address, isDraining }) => [address, isDraining]),
      [
        [a.address, true],
        [b.address, undefined],
      ],
    );
  });

  test("zones come with their addresses, and change with the record", () => {
    const book = state(serving, [{ ...a, zone: "a" }]);
    assert.deepEqual(hostsIn(book), [
      { address: a.address, port: 15_443, isAlive: true, zone: "a" },
    ]);
  });

  test("holds each address once and no more than it may", () => {
    const many = Array.from({ length: 40 }, (_, index) => gateway(`192.0.2.${index + 1}`));
    assert.equal(state([], [...many, ...many]).length, maxAddressesPerMember);
  });
});
