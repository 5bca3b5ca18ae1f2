import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DeltaRequest } from "../../src/xds/codec.ts";
import { DeltaSession } from "../../src/xds/delta.ts";
import { valueOf } from "../../src/xds/encode.ts";
import { xdsTypes } from "../../src/xds/resource.ts";
import { Responses } from "../../src/xds/responses.ts";
import { type Seen, seen } from "./harness.ts";
import { clusterNames, resourcesOf } from "./plans.ts";
import { Schedule, type Step, weightedSteps } from "./schedule.ts";
import { type Body, StrictClient } from "./strict-client.ts";

type DeltaStep = Step | { readonly t: "toggle"; readonly name: string };

const step: fc.Arbitrary<DeltaStep> = fc.oneof(...weightedSteps, {
  weight: 1,
  arbitrary: fc
    .constantFrom(...clusterNames, "ghost")
    .map((name) => ({ t: "toggle" as const, name })),
});
const limits = { maxResponseBytes: 300, maxUnanswered: 3 };

// 500 runs of up to 200 steps; ISTHMUS_RUNS raises it for a long hunt.
const numRuns = Number(process.env["ISTHMUS_RUNS"] ?? 500);

test("a client ends with the server's content, and no reference of its dangles on the way", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const client = new StrictClient();
      const responses = new Responses();
      const schedule = new Schedule<DeltaRequest, Seen>({
        client,
        open: (view) => new DeltaSession({ view, responses, limits }),
        read: seen,
        resourcesOf,
      });
      for (const next of steps) {
        if (next.t === "toggle") schedule.ask(client.toggle(next.name));
        else schedule.do(next);
      }
      schedule.settle();
      assertEqual(schedule, client);
    }),
    { numRuns },
  );
});

/** Every good resource that the client is interested in is there, and nothing else is. */
function assertEqual(schedule: Schedule<DeltaRequest, Seen>, client: StrictClient): void {
  for (const type of xdsTypes) {
    for (const resource of schedule.wanted(type)) {
      const { name, version } = resource;
      const body = JSON.parse(Buffer.from(valueOf(resource)).toString()) as Body;
      const held = client.held[type].get(name);
      if (body.fault === undefined) assert.equal(held?.version, version, `${type} ${name}`);
      else assert.notEqual(held?.version, version, `${type} ${name} was refused`);
    }
    schedule.assertNoneLeft(type, client.held[type].keys());
  }
}
