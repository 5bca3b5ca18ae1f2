import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { whyNot } from "../app/launcher/envoy/envoys.ts";
import { SteadyLoad } from "../app/support/steady-load.ts";
import { TwoGateways, type Zone } from "./two-gateways.ts";

// A rolling restart of a member's gateways, as processes, under load from another member.
suite("SIGTERM to one gateway of two", () => {
  for (const engine of ["embedded", "envoy"] as const) {
    test(`by ${engine} loses no request: the others leave it, it ends with 0, and its successor is used`, {
      skip: engine === "envoy" && whyNot(process.env["ISTHMUS_ENVOY"]),
    }, async (t) => {
      await using set = await TwoGateways.start(engine);
      await using load = new SteadyLoad(set.url, { callers: 6, pauseMs: 1_300 });
      await load.more(100);
      for (const zone of ["a", "b"] satisfies Zone[]) {
        const other = zone === "a" ? "b" : "a";
        const gateway = set.gateways[zone];
        assert.ok(gateway !== undefined);
        gateway.signal("SIGTERM");
        await set.seen({ a: "live", b: "live", [zone]: "draining", [other]: "live" });
        await gateway.said("Others send no new connections");
        assert.equal(await gateway.ended(), 0);
        assert.doesNotMatch(gateway.out, /"names":\["west"\]/, "west has confirmed in time");
        const [, told] =
          /"actionMs":(\d+),[^}]*Others send no new connections/.exec(gateway.out) ?? [];
        t.diagnostic(`gateway ${zone}: confirmed after ${told ?? "?"} ms`);
        await load.more(100);
        assert.deepEqual(load.failures, []);
        set.gateways[zone] = await set.startGateway(zone);
        await set.seen({ a: "live", b: "live" });
        await load.more(100);
      }
      t.diagnostic(`${load.answered} answered, ${load.repeated} repeated`);
      assert.deepEqual(load.failures, []);
    });
  }
});
