import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  type LeaseElection,
  startLeaseElection,
} from "../../../../src/discovery/io/kubernetes/lease.ts";
import type { Clock } from "../../../../src/mesh/ports.ts";
import { createLeaseStore, type LeaseStore } from "../../support/lease-store.ts";
import { silentLog } from "../../support/made.ts";
import { createVirtualTime, type VirtualTime } from "../../support/virtual-time.ts";

const durationMs = 6000;
const stepDownMs = 4000;
const lookMs = 1000;
const ref = { namespace: "isthmus-system", name: "isthmus-agent" };

interface Stage {
  readonly time: VirtualTime;
  readonly store: LeaseStore;
  readonly contend: (
    host: string,
    change?: { readonly clock?: Clock; readonly instance?: string },
  ) => Contender;
  /** Never two at any instant so far. */
  readonly mostLeaders: () => number;
}

interface Contender extends LeaseElection {
  /** As `kill -9`. */
  readonly die: () => void;
  readonly role: () => string;
}

async function onStage(run: (stage: Stage) => Promise<void>): Promise<void> {
  const time = createVirtualTime();
  const store = createLeaseStore();
  const contenders: Contender[] = [];
  let most = 0;
  const contend: Stage["contend"] = (host, { clock = time.clock, instance = "i-1" } = {}) => {
    let isDead = false;
    const api = store.connect(host);
    // What is dead neither calls nor hears.
    const never = <T>(): Promise<T> => new Promise(() => undefined);
    const alive =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      (...args: A): Promise<R> =>
        isDead ? never() : call(...args);
    const election = startLeaseElection({
      api: { ...api, get: alive(api.get), create: alive(api.create), replace: alive(api.replace) },
      ref,
      self: { host, instance },
      durationMs,
      clock,
      timers: time.timers,
      random: () => 0.5,
      log: silentLog,
    });
    const contender: Contender = Object.assign(election, {
      die: () => {
        isDead = true;
      },
      role: () => (isDead ? "dead" : election.leadership().t),
    });
    contenders.push(contender);
    election.onChange(() => {
      most = Math.max(most, contenders.filter((one) => one.role() === "leader").length);
    });
    return contender;
  };
  await run({ time, store, contend, mostLeaders: () => most });
  for (const one of contenders)
    if (one.role() !== "dead") await time.until(one[Symbol.asyncDispose]());
}

suite("startLeaseElection()", () => {
  test("of two that start at once one leads, and the other knows who", () =>
    onStage(async ({ time, contend, mostLeaders }) => {
      const [a, b] = [contend("a"), contend("b")];
      await time.advance(3 * durationMs);
      assert.deepEqual([a.role(), b.role()], ["leader", "follower"]);
      assert.deepEqual(b.leadership(), { t: "follower", holder: { host: "a", instance: "i-1" } });
      assert.equal(a.id(), b.id());
      assert.equal(mostLeaders(), 1);
    }));

  test("when the leader is killed the next one leads within its lease and a look", () =>
    onStage(async ({ time, store, contend, mostLeaders }) => {
      const a = contend("a");
      await time.advance(100);
      const b = contend("b");
      await time.advance(durationMs);
      a.die();
      await time.advance(durationMs + lookMs);
      assert.equal(b.role(), "leader");
      assert.equal(mostLeaders(), 1);
      const spec = store.object()?.["spec"] as { leaseTransitions: number; holderIdentity: string };
      assert.deepEqual([spec.leaseTransitions, spec.holderIdentity], [1, "b_i-1"]);
    }));

  test("a leader that ends gives the lease back: the next one need not wait for it", () =>
    onStage(async ({ time, contend }) => {
      const a = contend("a");
      await time.advance(100);
      const b = contend("b");
      await time.advance(durationMs);
      await time.until(a[Symbol.asyncDispose]());
      assert.equal(a.role(), "follower");
      await time.advance(lookMs);
      assert.equal(b.role(), "leader");
    }));

  test("a leader that cannot renew steps down before another may lead", () =>
    onStage(async ({ time, store, contend, mostLeaders }) => {
      const a = contend("a");
      await time.advance(100);
      const b = contend("b");
      await time.advance(durationMs);
      const heard: string[] = [];
      a.onChange(() => heard.push(a.role()));
      store.cutOff.add("a");
      await time.advance(stepDownMs);
      assert.deepEqual(heard, ["doubtful"]);
      assert.equal(b.role(), "follower");
      await time.advance(durationMs - stepDownMs + lookMs);
      assert.equal(b.role(), "leader");
      store.cutOff.delete("a");
      await time.advance(2 * lookMs);
      assert.deepEqual(heard, ["doubtful", "follower"]);
      assert.equal(mostLeaders(), 1);
    }));

  test("while the API server is away nobody takes over, and the leader goes on when it is back", () =>
    onStage(async ({ time, store, contend }) => {
      const [a, b] = [contend("a"), contend("b")];
      await time.advance(durationMs);
      for (const one of ["a", "b"]) store.cutOff.add(one);
      await time.advance(600_000);
      assert.deepEqual([a.role(), b.role()], ["doubtful", "follower"]);
      assert.deepEqual(
        a.findings().map(({ code }) => code),
        ["KUBERNETES_LEASE_UNREACHABLE"],
      );
      store.cutOff.clear();
      await time.advance(3 * lookMs);
      assert.deepEqual([a.role(), b.role()], ["leader", "follower"]);
      assert.deepEqual(a.findings(), []);
    }));

  test("clocks that differ by ten minutes, or jump, make nobody leader", () =>
    onStage(async ({ time, contend, mostLeaders }) => {
      let aheadMs = 600_000;
      const clock = { ...time.clock, nowMs: () => time.clock.nowMs() + aheadMs };
      const a = contend("a");
      await time.advance(100);
      const b = contend("b", { clock });
      for (const jumpMs of [-3_600_000, 86_400_000, 0]) {
        aheadMs = jumpMs;
        await time.advance(2 * durationMs);
        assert.deepEqual([a.role(), b.role()], ["leader", "follower"]);
      }
      assert.equal(mostLeaders(), 1);
    }));

  test("a leader that hung finds out that it is none any more before it does anything", () =>
    onStage(async ({ time, contend }) => {
      let behindMs = 0;
      const clock = { ...time.clock, monotonicMs: () => time.clock.monotonicMs() + behindMs };
      const a = contend("a", { clock });
      await time.advance(durationMs);
      assert.equal(a.role(), "leader");
      behindMs = 30_000;
      assert.equal(a.role(), "doubtful");
    }));

  test("an instance that is started again leads at once when it led", () =>
    onStage(async ({ time, contend }) => {
      const a = contend("a", { instance: "kept" });
      await time.advance(100);
      const b = contend("b");
      await time.advance(durationMs);
      a.die();
      const again = contend("a", { instance: "kept" });
      await time.advance(100);
      assert.deepEqual([again.role(), b.role()], ["leader", "follower"]);
    }));

  test("a Lease that somebody deletes is made again, by one of them", () =>
    onStage(async ({ time, store, contend, mostLeaders }) => {
      const [a, b] = [contend("a"), contend("b")];
      await time.advance(durationMs);
      store.delete();
      await time.advance(2 * durationMs);
      assert.deepEqual([a.role(), b.role()], ["leader", "follower"]);
      assert.equal(mostLeaders(), 1);
    }));

  test("an epoch that the leader records is known to whoever leads next", () =>
    onStage(async ({ time, contend }) => {
      const a = contend("a");
      await time.advance(100);
      const b = contend("b");
      await time.advance(durationMs);
      assert.equal(await time.until(a.recordEpoch(1234)), true);
      assert.equal(await time.until(b.recordEpoch(9999)), false);
      a.die();
      await time.advance(durationMs + lookMs);
      assert.equal(b.role(), "leader");
      assert.equal(b.epoch(), 1234);
    }));

  test("a leader that cannot reach the API server is told that its epoch is not recorded", () =>
    onStage(async ({ time, store, contend }) => {
      const a = contend("a");
      await time.advance(durationMs);
      store.cutOff.add("a");
      assert.equal(await time.until(a.recordEpoch(7)), false);
      await time.advance(durationMs);
      assert.equal(await time.until(a.recordEpoch(8)), false);
      store.cutOff.clear();
      await time.advance(durationMs);
      assert.equal(await time.until(a.recordEpoch(8)), true);
    }));

  test("what others wrote into the Lease stays", () =>
    onStage(async ({ time, store, contend }) => {
      const a = contend("a");
      await time.advance(100);
      const held = store.object();
      assert.ok(held !== undefined);
      const labels = { team: "mesh" };
      const { metadata } = held;
      await store
        .connect("x")
        .replace(
          { group: "", version: "", resource: "" },
          { ...held, metadata: { ...metadata, labels } },
        );
      await time.advance(durationMs);
      assert.equal(a.role(), "leader");
      assert.deepEqual(store.object()?.metadata.labels, labels);
    }));
});
