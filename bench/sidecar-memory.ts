/** Agent memory per connected sidecar under mTLS, after 1,000 clusters and their endpoints were sent. */
import { setTimeout } from "node:timers/promises";
import {
  benchAssignment,
  benchCluster,
  clusterName,
  Fleet,
  startBenchAgent,
} from "./load/xds-agent.ts";
import { report } from "./report.ts";

const clients = 1000;
const clusters = 1000;
const endpoints = 3;
// Envoy's first request carries a node with the list of its extensions.
const nodeBytes = 61_000;

await using agent = await startBenchAgent({ isTls: true });
const indexes = Array.from({ length: clusters }, (_, index) => index);
agent.set.apply({
  upserts: indexes.flatMap((index) => [
    benchCluster(index),
    benchAssignment(index, { endpoints, seed: 1 }),
  ]),
  removed: [],
});
await setTimeout(500);
const before = process.memoryUsage();
const cpuBefore = process.cpuUsage();
await using fleet = await Fleet.start({
  port: agent.port,
  count: clients,
  nodeBytes,
  subscriptions: [
    { type: "cluster", names: [] },
    { type: "endpoint", names: indexes.map(clusterName) },
  ],
  expected: 2 * clusters,
  ...(agent.tls === undefined ? {} : { tls: agent.tls }),
});
const cpu = process.cpuUsage(cpuBefore);
// What the collector gives back without being asked counts as given back.
await setTimeout(5000);
const samples: number[] = [];
for (let sample = 0; sample < 10; sample += 1) {
  const { rss } = process.memoryUsage();
  samples.push((rss - before.rss) / clients / 1e6);
  await setTimeout(200);
}
const heap = process.memoryUsage().heapUsed - before.heapUsed;
void fleet;
report({
  claim: "Agent memory per connected sidecar after 1,000 clusters were sent",
  setup: { clients, clusters, endpointsPerCluster: endpoints, nodeBytes, isTls: true },
  figures: [
    { name: "RSS per sidecar", unit: "MB", samples, target: { atMost: 0.5 } },
    { name: "of it JavaScript heap", unit: "MB", samples: [heap / clients / 1e6] },
    {
      name: "agent CPU per sidecar, handshake and first configuration",
      unit: "ms",
      samples: [(cpu.user + cpu.system) / 1000 / clients],
    },
  ],
});
