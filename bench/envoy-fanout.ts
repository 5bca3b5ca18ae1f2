/** One small endpoint change to 2,000 simulated clients and two real Envoys: when the last has it acknowledged. */
import { setTimeout } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { encodeResource } from "../src/xds/encode.ts";
import {
  Cluster_DiscoveryType,
  ClusterSchema,
} from "../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ApiVersion } from "../src/xds/gen/envoy/config/core/v3/config_source_pb.ts";
import type { Resource } from "../src/xds/resource.ts";
import { startEnvoyAt } from "../test/gateway/real-envoy.ts";
import { envoyBinary } from "./load/peers.ts";
import { benchAssignment, clusterName, Fleet, startBenchAgent } from "./load/xds-agent.ts";
import { report } from "./report.ts";

const clients = 2_000;
const endpoints = 100;
const rounds = 30;
// Answers are worked off in this time.
const quietMs = 300;
const names = ["envoy/0", "envoy/1"];

process.env["ISTHMUS_ENVOY"] = envoyBinary();
await using agent = await startBenchAgent({ isTls: false });
let version = "";
const change = (seed: number): void => {
  const assignment = benchAssignment(0, { endpoints, seed });
  version = assignment.version;
  agent.set.apply({ upserts: [assignment], removed: [] });
};
agent.set.apply({ upserts: [edsCluster()], removed: [] });
change(0);
await using envoys = new AsyncDisposableStack();
for (const nodeId of names) envoys.use(await startEnvoyAt(agent.port, { nodeId }));
await acknowledged();
await using fleet = await Fleet.start({
  port: agent.port,
  count: clients,
  nodeBytes: 1000,
  subscriptions: [{ type: "endpoint", names: [clusterName(0)] }],
  expected: 1,
});
const lastMs: number[] = [];
const envoyMs: number[] = [];
// The first rounds warm the compiler up.
for (let round = -5; round < rounds; round += 1) {
  await setTimeout(quietMs);
  let startMs = 0;
  let inEnvoysMs = 0;
  const reached = await fleet.reach(() => {
    startMs = performance.now();
    change(round + 10);
    void acknowledged().then(() => {
      inEnvoysMs = performance.now() - startMs;
    });
  });
  await acknowledged();
  if (round < 0) continue;
  envoyMs.push(inEnvoysMs);
  lastMs.push(Math.max(inEnvoysMs, reached.lastMs));
}
report({
  claim: "One small EDS change to 2,000 connected sidecars and two real Envoys",
  setup: { clients, envoys: names.length, endpoints, rounds, clientsShareTheMachine: true },
  figures: [
    { name: "both Envoys have acknowledged", unit: "ms", samples: envoyMs },
    { name: "the last has it", unit: "ms", samples: lastMs, target: { atMost: 500 } },
  ],
});

async function acknowledged(): Promise<void> {
  const isHeld = (nodeId: string): boolean =>
    agent.ads.heldBy(nodeId)?.some((held) => held.version === version && held.state === "acked") ===
    true;
  // To look costs a walk over all streams.
  while (!names.every(isHeld)) await setTimeout(2);
}

/** Without TLS, so that it waits for nothing but its endpoints. */
function edsCluster(): Resource {
  const name = clusterName(0);
  const message = create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: {
      edsConfig: {
        configSourceSpecifier: { case: "ads", value: {} },
        resourceApiVersion: ApiVersion.V3,
      },
    },
    connectTimeout: durationFromMs(500),
    commonLbConfig: { updateMergeWindow: durationFromMs(0) },
  });
  return encodeResource({ type: "cluster", name, schema: ClusterSchema, message });
}
