import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { OwnDoors } from "../../../src/gateway/door/own-doors.ts";
import { afterAnnouncement, doorState, doorsFor } from "../../../src/gateway/door/own-doors.ts";

const address = "gw.example:15443";
const doors = doorsFor([
  { host: "gw.example", port: 15_443 },
  { host: "2001:db8::1", port: 15_443 },
]);

function say(before: OwnDoors, instance: string, isDraining: boolean, nowMs: number): OwnDoors {
  const next = afterAnnouncement(before, { address, instance, isDraining }, nowMs);
  assert.ok(next !== undefined);
  return next;
}

const drains = (now: OwnDoors): readonly boolean[] => now.map(({ isDraining }) => isDraining);

suite("afterAnnouncement", () => {
  test("knows no address but the member's own", () => {
    const said = { address: "other.example:15443", instance: "a", isDraining: true };
    assert.equal(afterAnnouncement(doors, said, 0), undefined);
    const six = { address: "[2001:db8::1]:15443", instance: "a", isDraining: true };
    assert.deepEqual(drains(afterAnnouncement(doors, six, 0) ?? []), [false, true]);
  });

  test("an address drains when the only process behind it does, until another one serves", () => {
    const serving = say(doors, "a", false, 0);
    const draining = say(serving, "a", true, 1_000);
    assert.deepEqual(drains(draining), [true, false]);
    // The process is gone for long: nobody else came.
    assert.equal(doorState(draining[0] ?? assert.fail(), 1e9), "draining");
    assert.deepEqual(drains(say(draining, "b", false, 60_000)), [false, false]);
  });

  test("one of several behind a load balancer leaves without a word", () => {
    const both = say(say(doors, "a", false, 0), "b", false, 0);
    const one = say(both, "a", true, 1_000);
    assert.deepEqual(drains(one), [false, false]);
    assert.deepEqual(drains(say(one, "b", true, 2_000)), [true, false]);
  });

  test("a sibling that was silent for three announcements does not hold the address", () => {
    const both = say(say(doors, "a", false, 0), "b", false, 0);
    assert.deepEqual(drains(say(both, "a", true, 17_000)), [true, false]);
  });

  test("a door of which nobody speaks is unheard", () => {
    const serving = say(doors, "a", false, 0);
    const [first, second] = serving;
    assert.ok(first !== undefined && second !== undefined);
    assert.deepEqual([doorState(first, 1_000), doorState(second, 1_000)], ["live", "unheard"]);
    assert.equal(doorState(first, 60_000), "unheard");
  });

  test("instances without end are forgotten, the oldest first", () => {
    let now: OwnDoors = doors;
    for (let index = 0; index < 1_000; index += 1) now = say(now, `i${index}`, false, 0);
    assert.equal(now[0]?.instances.size, 256);
    assert.ok(now[0].instances.has("i999"));
  });
});
