import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { AddressWatch } from "../../../src/gateway/io/address-watch.ts";
import type { FamilyAnswer, HostAnswer } from "../../../src/gateway/remote/host-answer.ts";
import { quietLog, realClock } from "../world.ts";

/** A DNS that answers what the test says, one answer after the other. */
function scripted(
  answers: readonly (HostAnswer | Error)[],
  log = quietLog,
): {
  readonly watch: AddressWatch;
  readonly asked: string[];
  readonly changed: string[];
} {
  const asked: string[] = [];
  const changed: string[] = [];
  const watch = new AddressWatch({
    clock: realClock,
    random: () => 0,
    log,
    onChange: (host) => changed.push(host),
    resolve: async (host) => {
      const answer = answers[asked.length] ?? failed;
      asked.push(host);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { watch, asked, changed };
}

/** Lets everything run that waits for nothing but a promise. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

const host = "gw.west.example";
const none: FamilyAnswer = { t: "none" };
const broken: FamilyAnswer = { t: "failed", reason: "the DNS server does not answer in time" };
const failed: HostAnswer = { v4: broken, v6: broken };
const answer = (addresses: readonly string[], ttlSeconds = 20): HostAnswer => ({
  v4: { t: "records", addresses, ttlSeconds },
  v6: none,
});

suite("AddressWatch", () => {
  test("answers an IP literal by itself and asks nobody", () => {
    const { watch, asked } = scripted([]);
    watch.setHosts(["10.0.0.1", "2001:db8::1"]);
    assert.deepEqual(watch.addressesOf("2001:db8::1"), ["2001:db8::1"]);
    assert.equal(watch.known("2001:db8::1"), undefined);
    assert.deepEqual(asked, []);
  });

  test("asks again when the answer's time is up, and tells only of changes", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { watch, asked, changed } = scripted([
      answer(["10.0.0.2", "10.0.0.1"]),
      answer(["10.0.0.1", "10.0.0.2"]),
      answer(["10.0.0.3"]),
    ]);
    using _ = watch;
    watch.setHosts([host]);
    assert.deepEqual(watch.addressesOf(host), []);
    await settled();
    assert.deepEqual(watch.addressesOf(host), ["10.0.0.1", "10.0.0.2"]);
    t.mock.timers.tick(19_999);
    assert.equal(asked.length, 1);
    t.mock.timers.tick(1);
    await settled();
    assert.deepEqual([asked.length, changed.length], [2, 1]);
    t.mock.timers.tick(20_000);
    await settled();
    assert.deepEqual(watch.addressesOf(host), ["10.0.0.3"]);
    assert.equal(changed.length, 2);
  });

  test("keeps the last answer while the name does not resolve, and asks sooner", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { watch, asked, changed } = scripted([
      answer(["10.0.0.1"], 20),
      new Error("the resolver broke"),
      { v4: none, v6: none },
      failed,
    ]);
    using _ = watch;
    watch.setHosts([host]);
    await settled();
    for (const waitMs of [20_000, 1_000, 2_000]) {
      t.mock.timers.tick(waitMs);
      await settled();
      assert.deepEqual(watch.addressesOf(host), ["10.0.0.1"]);
    }
    assert.deepEqual([asked.length, changed.length], [4, 1]);
    assert.equal(watch.known(host)?.failures, 3);
  });

  test("drops a host that nobody publishes any more, even while its answer is on its way", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { watch, asked, changed } = scripted([answer(["10.0.0.1"])]);
    watch.setHosts([host]);
    watch.setHosts([]);
    await settled();
    t.mock.timers.tick(60_000);
    assert.deepEqual(watch.addressesOf(host), []);
    assert.deepEqual([asked.length, changed.length], [1, 0]);
  });

  test("a name that changes with every answer does not fill the log", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let lines = 0;
    const log = { ...quietLog, info: () => void (lines += 1) };
    const moving = Array.from({ length: 60 }, (_, last) => answer([`10.0.0.${last}`], 1));
    const { watch, changed } = scripted(moving, log);
    using _ = watch;
    watch.setHosts([host]);
    for (let turn = 0; turn < 50; turn += 1) {
      await settled();
      t.mock.timers.tick(1000);
    }
    assert.equal(changed.length, 50);
    assert.ok(lines >= 20 && lines < 30, `${lines} lines`);
  });
});
