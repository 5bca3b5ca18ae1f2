import { after, before, suite, test } from "node:test";
import { runTrafficFault, trafficFaults } from "./scenarios/traffic-faults.ts";
import { assertHarmless } from "./support/assert-outcome.ts";
import { openTrafficMesh, type TrafficMesh } from "./support/traffic-mesh.ts";

suite("faults under traffic", () => {
  let mesh: TrafficMesh;
  before(async () => {
    mesh = await openTrafficMesh();
  });
  after(async () => {
    await mesh[Symbol.asyncDispose]();
  });

  for (const fault of trafficFaults) {
    test(`${fault.title}: no request fails, and the agents are in step again`, async () => {
      assertHarmless(await runTrafficFault(mesh, fault));
    });
  }
});
