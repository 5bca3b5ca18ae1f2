import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProxyRoots } from "../../../../src/app/agent/rotation/proxy-roots.ts";
import {
  RotationAcks,
  type RotationAcksOptions,
} from "../../../../src/app/agent/rotation/rotation-acks.ts";
import type { Charter } from "../../../../src/mesh/charter.ts";
import { parseSpiffeId } from "../../../../src/mesh/ids.ts";
import { signCharter, type TrustedCharter } from "../../../../src/trust/charter.ts";
import { crossCertify } from "../../../../src/trust/root-rotation/cross-certify.ts";
import { activateRoot, drainRoot, publishRoot } from "../../../../src/trust/root-rotation/steps.ts";
import { east, madeMember, madeMesh, madeRoot, nowMs } from "../../../trust/made.ts";

const made = await madeMesh();
const next = await madeRoot();
const after = await madeMember(next, { member: east });
const cross = await crossCertify({ by: made.root, root: next.certificate, nowMs });
const published = publishRoot(made.charter.charter, {
  from: made.root.signer.keyId,
  next: next.certificate,
  cross,
  nowMs,
});
const signed = async (charter: Charter): Promise<TrustedCharter> =>
  await signCharter(charter, made.root.signer);
const publishing = await signed(published);
const draining = await signed(drainRoot(activateRoot(published, nowMs), nowMs));

interface Proxy {
  readonly name: string;
  hasRoots: boolean;
  /** Whether its certificate is of the present issuer. */
  isNew: boolean;
}

function world(change: Partial<RotationAcksOptions> = {}) {
  const state = {
    charter: publishing,
    proxies: [] as Proxy[],
    // The agent was started long ago.
    nowMs: 0,
    cuts: [] as string[],
    changes: 0,
  };
  const roots = ({ name, hasRoots, isNew }: Proxy): ProxyRoots => ({
    nodeId: name,
    remote: `${name}:1`,
    peer: {
      id: parseSpiffeId(`spiffe://east.acme.mesh/ns/shop/sa/${name}`),
      notBeforeMs: 0,
      notAfterMs: nowMs,
      leafSha256: `leaf of ${name}`,
      issuerSpkiSha256: isNew ? after.signer.keyId : made.east.signer.keyId,
      isExpired: false,
    },
    hasRoots: () => hasRoots,
  });
  const acks = new RotationAcks({
    charter: () => state.charter,
    issuer: () => after,
    proxies: () => state.proxies.map(roots),
    silent: () => 0,
    elsewhere: () => [],
    ownOld: () => 0,
    cut: (remote) => void state.cuts.push(remote),
    onChange: () => {
      state.changes += 1;
    },
    clock: { nowMs: () => nowMs, monotonicMs: () => state.nowMs },
    ...change,
  });
  state.nowMs = 60_000;
  return { state, acks };
}

test("RotationAcks says nothing while no rotation is under way", () => {
  const { state, acks } = world();
  state.charter = made.charter;
  acks.look();
  assert.deepEqual([acks.record(), state.changes], [undefined, 0]);
});

test("RotationAcks counts what proxies hold, and tells of a change once", () => {
  const { state, acks } = world();
  const slow = { name: "slow", hasRoots: false, isNew: false };
  state.proxies = [{ name: "quick", hasRoots: true, isNew: true }, slow];
  acks.look();
  acks.look();
  assert.equal(state.changes, 1);
  const { issuerRoot, ...counts } = acks.record() ?? assert.fail();
  assert.equal(issuerRoot, next.signer.keyId);
  assert.deepEqual(counts, {
    charter: published.number,
    connected: 2,
    acknowledged: 1,
    silent: 0,
    old: 1,
    late: ["slow"],
  });
  slow.hasRoots = true;
  slow.isNew = true;
  acks.look();
  assert.deepEqual([acks.record()?.acknowledged, acks.record()?.old, state.changes], [2, 0, 2]);
});

test("RotationAcks ends a connection on a replaced certificate when that is drained, and no other", () => {
  const { state, acks } = world();
  state.proxies = [
    { name: "renewed", hasRoots: true, isNew: false },
    { name: "late", hasRoots: true, isNew: false },
    { name: "done", hasRoots: true, isNew: true },
  ];
  acks.replaced("leaf of renewed");
  state.nowMs += 10_000;
  acks.look();
  assert.equal(state.cuts.length, 0);
  state.charter = draining;
  acks.look();
  assert.deepEqual(state.cuts, ["renewed:1"]);
  // Whose renewal was not seen here is tried after some minutes.
  state.nowMs += 300_000;
  acks.look();
  assert.ok(state.cuts.includes("late:1") && !state.cuts.includes("done:1"));
});

test("RotationAcks adds what replicas have seen, and vouches for none that does not say", () => {
  const tally = {
    charter: published.number,
    connected: 5,
    acknowledged: 4,
    old: 2,
    unseen: 0,
    late: ["far"],
  };
  const both = world({ elsewhere: () => [tally] });
  both.acks.look();
  const { connected, acknowledged, old, silent, late } = both.acks.record() ?? assert.fail();
  assert.deepEqual([connected, acknowledged, old, silent, late], [5, 4, 2, 0, ["far"]]);
  for (const elsewhere of [() => undefined, () => [{ ...tally, charter: 1 }]]) {
    const { acks } = world({ elsewhere });
    acks.look();
    assert.equal(acks.record()?.silent, 1);
  }
});

test("RotationAcks vouches for nobody just after the agent's start, nor for a proxy that left a moment ago", () => {
  const { state, acks } = world();
  state.nowMs = 14_000;
  acks.look();
  assert.equal(acks.record()?.silent, 1);
  state.nowMs = 15_000;
  state.proxies = [{ name: "cut", hasRoots: true, isNew: false }];
  acks.look();
  assert.equal(acks.record()?.silent, 0);
  const [cut] = state.proxies.splice(0);
  assert.ok(cut);
  acks.look();
  const { connected, old, silent, late } = acks.record() ?? assert.fail();
  assert.deepEqual([connected, old, silent, late], [0, 0, 1, ["cut"]]);
  state.proxies = [{ ...cut, isNew: true }];
  acks.look();
  assert.equal(acks.record()?.silent, 0);
  state.proxies = [];
  acks.look();
  state.nowMs += 30_000;
  acks.look();
  assert.equal(acks.record()?.silent, 0);
});
