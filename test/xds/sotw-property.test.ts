import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sealResource, valueOf } from "../../src/xds/encode.ts";
import { type Resource, type XdsType, xdsTypes } from "../../src/xds/resource.ts";
import { SotwSession, sotwResponses } from "../../src/xds/sotw.ts";
import type { SotwRequest } from "../../src/xds/sotw-codec.ts";
import type { View } from "../../src/xds/view.ts";
import { listenerNames, type Plan, resourcesOf } from "./plans.ts";
import { Schedule, weightedSteps } from "./schedule.ts";
import { type Told, told } from "./sotw-harness.ts";
import type { Body } from "./strict-client.ts";
import { type Manner, type NamedBody, StrictSotwClient } from "./strict-sotw-client.ts";

/** Types whose responses say all there is. */
const wholeTypes = ["cluster", "listener"] as const;
const limits = { maxResponseBytes: 300 };

// 300 runs of up to 200 steps each; ISTHMUS_RUNS raises it for a long hunt.
const numRuns = Number(process.env["ISTHMUS_RUNS"] ?? 300);

for (const manner of ["named", "all"] as const) {
  test(`a client that asks for ${manner} ends with the server's content, and is never told what it refused`, () => {
    const step = fc.oneof(...weightedSteps);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const { schedule, client } = scheduleOf(manner);
        for (const next of steps) schedule.do(next);
        schedule.settle();
        assertEqual(schedule, client);
      }),
      { numRuns },
    );
  });
}

function scheduleOf(manner: Manner): {
  readonly schedule: Schedule<SotwRequest, Told>;
  readonly client: StrictSotwClient;
} {
  const client = new StrictSotwClient(manner, listenerNames);
  const responses = sotwResponses();
  let watch = (_response: Told): void => {};
  const schedule = new Schedule<SotwRequest, Told>({
    client,
    open: (view) => {
      const known = new Set<XdsType>();
      const isSettled: View["isSettled"] = (key) => {
        const isSo = view.isSettled?.(key) !== false;
        if (isSo) known.add(key.type);
        return isSo;
      };
      watch = keepsWatch(client, known);
      return new SotwSession({ view: { ...view, isSettled }, responses, limits });
    },
    read: (delivery) => {
      const response = told(delivery);
      watch(response);
      return response;
    },
    resourcesOf: namedResourcesOf,
  });
  return { schedule, client };
}

/** Until the agent says that it knows all of a type, no response of a stream takes away what the client came with. */
function keepsWatch(
  client: StrictSotwClient,
  known: ReadonlySet<XdsType>,
): (response: Told) => void {
  const brought = new Map<XdsType, readonly string[]>(
    wholeTypes.map((type) => [type, [...client.held[type].keys()]]),
  );
  return ({ type, bodies }) => {
    if (known.has(type)) brought.delete(type);
    if (!isWhole(type)) return;
    const names = new Set(bodies.map((body) => (JSON.parse(body) as NamedBody).name));
    for (const name of brought.get(type) ?? []) {
      const isKept = names.has(name) || !client.isInterested(type, name);
      assert.ok(isKept, `${type} ${name} is left out by an agent that does not know all`);
    }
  };
}

/** Every good resource that the client is interested in is there as it is now, and nothing else is. */
function assertEqual(schedule: Schedule<SotwRequest, Told>, client: StrictSotwClient): void {
  for (const type of xdsTypes) {
    for (const resource of schedule.wanted(type)) {
      const { name } = resource;
      const body = JSON.parse(Buffer.from(valueOf(resource)).toString()) as NamedBody;
      if (body.fault !== undefined) continue;
      assert.deepEqual(client.held[type].get(name), body, `${type} ${name}`);
    }
    if (isWhole(type)) schedule.assertNoneLeft(type, client.held[type].keys());
  }
}

function isWhole(type: XdsType): boolean {
  return wholeTypes.some((whole) => whole === type);
}

/** The resources of a plan with their names in their bodies: that is all a client of this dialect sees. */
function namedResourcesOf(plan: Plan): Resource[] {
  return resourcesOf(plan).map((resource) => {
    const { type, name, version } = resource;
    const body = JSON.parse(Buffer.from(valueOf(resource)).toString()) as Body;
    const named: NamedBody = { name, ...body };
    const bytes = Buffer.from(JSON.stringify(named));
    // The version of an endpoint follows its cluster's.
    return sealResource({ type, name, value: bytes, mixVersion: version });
  });
}
