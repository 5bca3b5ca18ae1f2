/** An embedded engine in a process of its own, with a small agent beside it. Standard input: Setup as JSON. */

import { text } from "node:stream/consumers";
import { Engine } from "../../src/dataplane/io/engine.ts";
import { EngineWorkers } from "../../src/dataplane/io/workers.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import { Secret } from "../../src/mesh/secret.ts";
import { identitySource, spiffeIdOf } from "../../test/dataplane/support/certificates.ts";
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
  type TestResource,
  tcpProxy,
  validation,
} from "../../test/dataplane/support/resources.ts";
import { snisOf } from "./names.ts";

/** An identity as JSON carries it: keys come by standard input, never by arguments, which others see. */
export type PlainIdentity = Omit<Identity, "privateKeyPem"> & { readonly privateKeyText: string };

interface Common {
  readonly port: number;
  readonly backend: number;
  readonly agent: PlainIdentity;
  readonly own: PlainIdentity;
}

export type Setup =
  | (Common & { readonly t: "gateway"; readonly routes: number; readonly workers: number })
  | (Common & { readonly t: "sidecar" });

const setup = JSON.parse(await text(process.stdin)) as Setup;
const [agentIdentity, own] = [identityOf(setup.agent), identityOf(setup.own)];
const { bundlePem } = own;
const agent = await FakeAgent.start(agentIdentity);
const limits = { thresholds: [{ maxConnections: 20_000, maxPendingRequests: 20_000 }] };

function identityOf({ privateKeyText, ...identity }: PlainIdentity): Identity {
  return { ...identity, privateKeyPem: new Secret(privateKeyText) };
}

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
    validation("validation|mesh", { bundlePem }),
    gatewayListener(port, {
      probeSni: "probe.east.acme.mesh",
      agents: ["spiffe://east.acme.mesh/isthmus/agent"],
    }),
  ];
}

function sidecarResources({ backend, port }: Extract<Setup, { t: "sidecar" }>): TestResource[] {
  const endpoints = [{ lbEndpoints: [{ endpoint: { address: address(backend) } }] }];
  return [
    validation("validation|mesh", { bundlePem }),
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
  agentId: agentIdentity.id,
  identity: identitySource(own),
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
