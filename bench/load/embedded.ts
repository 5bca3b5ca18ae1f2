/** An embedded engine in a process of its own, with a small agent beside it. Argument: Setup as JSON. */
import { Engine } from "../../src/dataplane/io/engine.ts";
import { EngineWorkers } from "../../src/dataplane/io/workers.ts";
import { parseSpiffeId } from "../../src/mesh/ids.ts";
import { snisOf } from "./names.ts";
import {
  identitySource,
  spiffeIdOf,
  testTrust,
} from "../../test/dataplane/support/certificates.ts";
import { FakeAgent } from "../../test/dataplane/support/fake-agent.ts";
import { realClock, silent } from "../../test/dataplane/support/parts.ts";
import {
  address,
  allow,
  cluster,
  downstreamTls,
  edsCluster,
  gatewayListener,
  hosts,
  listener,
  tcpProxy,
  type TestResource,
  validation,
} from "../../test/dataplane/support/resources.ts";

export type Setup =
  | {
      readonly t: "gateway";
      readonly port: number;
      readonly backend: number;
      readonly routes: number;
      readonly workers: number;
    }
  | {
      readonly t: "sidecar";
      readonly port: number;
      readonly backend: number;
      readonly identityFile: string;
    };

const setup = JSON.parse(process.argv[2] ?? "") as Setup;
const trust = await testTrust();
const agent = await FakeAgent.start(await trust.identity("spiffe://east.acme.mesh/isthmus/agent"));
const limits = { thresholds: [{ maxConnections: 20_000, maxPendingRequests: 20_000 }] };

function gatewayResources({
  routes,
  backend,
  port,
}: Extract<Setup, { t: "gateway" }>): TestResource[] {
  return [
    ...snisOf(routes).flatMap((sni) => [
      edsCluster(sni, { circuitBreakers: limits }),
      hosts(sni, [{ port: backend }]),
    ]),
    validation("validation|mesh", { bundlePem: trust.bundlePem }),
    gatewayListener(port, {
      probeSni: "probe.east.acme.mesh",
      agents: ["spiffe://east.acme.mesh/isthmus/agent"],
    }),
  ];
}

function sidecarResources({ backend, port }: Extract<Setup, { t: "sidecar" }>): TestResource[] {
  const endpoints = [{ lbEndpoints: [{ endpoint: { address: address(backend) } }] }];
  return [
    validation("validation|mesh", { bundlePem: trust.bundlePem }),
    cluster({
      name: "app",
      type: "STATIC",
      connectTimeout: "1s",
      circuitBreakers: limits,
      loadAssignment: { clusterName: "app", endpoints },
    }),
    listener({
      name: "inbound",
      address: address(port),
      filterChains: [
        {
          transportSocket: downstreamTls(),
          filters: [allow({ prefix: "spiffe://east.acme.mesh/ns/" }), tcpProxy("app")],
        },
      ],
    }),
  ];
}

agent.set(...(setup.t === "gateway" ? gatewayResources(setup) : sidecarResources(setup)));
const common = {
  node: { id: `${setup.t}/bench/one/1`, metadata: {} },
  agent: { host: "127.0.0.1", port: agent.port },
  agentId: parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent"),
  identity: identitySource(await trust.identity("spiffe://east.acme.mesh/ns/shop/sa/cart")),
  log: silent,
};
const engine =
  setup.t === "gateway" && setup.workers > 1
    ? new EngineWorkers({
        ...common,
        count: setup.workers,
        entry: new URL("../../test/dataplane/support/worker-entry.ts", import.meta.url),
      })
    : new Engine({ ...common, spiffeIdOf, clock: realClock, random: Math.random });
await engine.ready;
process.stdout.write("ready\n");
