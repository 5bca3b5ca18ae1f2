import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseSpiffeId } from "../../src/mesh/ids.ts";
import { type Entry, PeerCount } from "../../src/proxy/peer-limits.ts";
import { PeerPace } from "../../src/proxy/peer-pace.ts";

const cart = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart");
const frontend = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/frontend");

function leave(entry: Entry): void {
  assert.ok(entry.t === "ok");
  entry.leave();
}

describe("PeerCount", () => {
  const count = (): PeerCount => new PeerCount("streams", { perIdentity: 3, perCertificate: 2 });

  test("refuses one certificate too much, and says which limit it was", () => {
    const peers = count();
    const peer = { id: cart, leafSha256: "a" };
    assert.equal(peers.enter(peer).t, "ok");
    assert.equal(peers.enter(peer).t, "ok");
    assert.deepEqual(peers.enter(peer), {
      t: "refused",
      reason: "one certificate holds 2 streams already",
    });
  });

  test("an identity that renews to get more meets its own limit, and no other's", () => {
    const peers = count();
    for (const leafSha256 of ["a", "b", "c"]) {
      assert.equal(peers.enter({ id: cart, leafSha256 }).t, "ok");
    }
    assert.deepEqual(peers.enter({ id: cart, leafSha256: "d" }), {
      t: "refused",
      reason: "one identity holds 3 streams already",
    });
    assert.equal(peers.enter({ id: frontend, leafSha256: "e" }).t, "ok");
  });

  test("gives back once what was left, however often it is left", () => {
    const peers = count();
    const peer = { id: cart, leafSha256: "a" };
    const first = peers.enter(peer);
    peers.enter(peer);
    leave(first);
    leave(first);
    assert.equal(peers.enter(peer).t, "ok");
    assert.equal(peers.enter(peer).t, "refused");
  });
});

describe("PeerPace", () => {
  test("lets an identity ask so often and tells it how long to wait", () => {
    const pace = new PeerPace({ perSecond: 2, burst: 3 });
    assert.deepEqual(
      [0, 0, 0].map(() => pace.take(cart, 1000)),
      [0, 0, 0],
    );
    assert.equal(pace.take(cart, 1000), 500);
    assert.equal(pace.take(frontend, 1000), 0, "the others do not wait for it");
    assert.equal(pace.take(cart, 1500), 0);
  });

  test("charges many at once, on credit, to whoever asked for them", () => {
    const pace = new PeerPace({ perSecond: 100, burst: 50 });
    assert.equal(pace.charge(cart, 50, 0), 0);
    assert.equal(pace.charge(cart, 20_000, 0), 200_000);
    assert.equal(pace.charge(cart, 0, 100_000), 100_000);
    assert.equal(pace.charge(frontend, 50, 0), 0, "the others do not pay for it");
  });

  test("identities without number share one pace and no memory", () => {
    const pace = new PeerPace({ perSecond: 1, burst: 1 });
    for (let index = 0; index < 10_000; index += 1) assert.equal(pace.take(`id ${index}`, 0), 0);
    assert.equal(pace.take("one more", 0), 0);
    assert.ok(pace.take("and another", 0) > 0);
    assert.ok(pace.take("id 7", 0) > 0);
    // Who has asked for nothing since is forgotten, so that others get paces of their own again.
    assert.equal(pace.take("and another", 2000), 0);
    assert.equal(pace.take("a third", 2000), 0);
  });
});
