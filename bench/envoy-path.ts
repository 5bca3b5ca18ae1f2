/** What our configuration costs Envoys: application, sidecar, gateway, sidecar, application, against three written by hand. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { defaultMaxClientHelloBytes } from "../src/gateway/door/listener.ts";
import { MemberResources } from "../src/gateway/sets/member-resources.ts";
import type { MemberName } from "../src/mesh/ids.ts";
import {
  parseNamespace,
  parseNetworkName,
  parseSpiffeId,
  serviceIdOf,
  trustDomainOf,
} from "../src/mesh/ids.ts";
import type { Identity } from "../src/mesh/ports.ts";
import type { ProxyNode, SidecarNode } from "../src/proxy/node.ts";
import { defaultProxySettings } from "../src/proxy/settings.ts";
import { identityOf } from "../test/gateway/identities.ts";
import { type RealEnvoy, startEnvoy as startToldEnvoy } from "../test/gateway/real-envoy.ts";
import { toldIn } from "../test/gateway/told.ts";
import { endpoint, localService, meshService, remoteExport } from "../test/proxy/made.ts";
import { east, type MadeMesh, madeMesh, mesh, west } from "../test/trust/made.ts";
import { cpuUs } from "./load/generator.ts";
import { type HandOptions, handPath, type PathPorts } from "./load/hand-path.ts";
import { envoyBinary, freePort, type Peer, startEnvoy } from "./load/peers.ts";
import { type Figure, median, report } from "./report.ts";

const rounds = Number(process.env["ISTHMUS_BENCH_ROUNDS"] ?? 15);
const requests = Number(process.env["ISTHMUS_BENCH_REQUESTS"] ?? 6_000);
const connections = 16;
const target = {
  service: serviceIdOf("shop", "cart"),
  port: 80,
  suffix: "svc.cluster.local",
} as const;

interface Path {
  readonly name: string;
  readonly port: number;
  readonly pids: readonly number[];
}

process.env["ISTHMUS_ENVOY"] = envoyBinary();
await using closing = new AsyncDisposableStack();
const dir = closing.adopt(mkdtempSync(join(tmpdir(), "isthmus-bench-")), (path) =>
  rmSync(path, { recursive: true, force: true }),
);
const app = createServer((_request, response) => response.end("cart")).listen(0, "127.0.0.1");
await once(app, "listening");
closing.defer(() => {
  app.close();
  app.closeAllConnections();
});
const appPort = (app.address() as { readonly port: number }).port;
const made = await madeMesh(Date.now());
const identity = (issuer: "east" | "west", path: string): Promise<Identity> =>
  identityOf(made, {
    issuer: made[issuer],
    id: parseSpiffeId(`spiffe://${issuer}.acme.mesh/${path}`),
  });
const identities = {
  app: await identity("west", "ns/shop/sa/cart"),
  gateway: await identity("west", "isthmus/gateway"),
  caller: await identity("east", "ns/shop/sa/frontend"),
};

const paths = [await toldPath(), await writtenPath("2"), await writtenPath("1.1")];
const agent = new Agent({ keepAlive: true, maxSockets: connections });
closing.defer(() => agent.destroy());
const samples = new Map(paths.map(({ name }) => [name, [] as number[]]));
// The first rounds warm the compiler up and the pools.
for (let round = -2; round < rounds; round += 1) {
  // Each path is first, middle and last as often: what is slow for a while is slow for all.
  const order = paths.map((_, index) => paths[(index + round + paths.length) % paths.length]);
  for (const path of order) {
    if (path === undefined) continue;
    const before = cpuUs(path.pids);
    await load(path.port);
    const usPerRequest = (cpuUs(path.pids) - before) / requests;
    if (round >= 0) samples.get(path.name)?.push(usPerRequest);
  }
}
report({
  claim: "CPU of three Envoys per request, from application to application",
  setup: { rounds, requests, connections, bodyBytes: 4, clientSharesTheMachine: true },
  figures: [
    ...paths.map(({ name }): Figure => {
      return { name: `${name}: CPU`, unit: "us", samples: samples.get(name) ?? [] };
    }),
    ratio("generated against by hand over HTTP/2", 1),
    ratio("generated against by hand over HTTP/1.1", 2),
  ],
});

/** Of the same round. The target is for the same protocol. */
function ratio(name: string, other: 1 | 2): Figure {
  const of = (index: number): readonly number[] => samples.get(paths[index]?.name ?? "") ?? [];
  const ours = of(0);
  const theirs = of(other);
  const ratios = ours.map((us, index) => us / (theirs[index] ?? median(theirs)));
  return {
    name,
    unit: "ratio",
    samples: ratios,
    ...(other === 1 ? { target: { atMost: 1.1 } } : {}),
  };
}

async function load(port: number): Promise<void> {
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const [response] = await once(get({ host: "127.0.0.1", port, agent }), "response");
      if (response.statusCode !== 200) throw new Error(`Cannot call: ${response.statusCode}`);
      response.resume();
      await once(response, "end");
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
}

async function ports(): Promise<PathPorts> {
  return {
    app: appPort,
    inbound: await freePort(),
    gateway: await freePort(),
    outbound: await freePort(),
  };
}

async function writtenPath(http: HandOptions["http"]): Promise<Path> {
  const at = await ports();
  const configs = handPath({
    ports: at,
    target,
    http,
    app: identities.app,
    caller: identities.caller,
  });
  const peers: Peer[] = [];
  for (const [role, port] of [
    ["sidecar", at.inbound],
    ["gateway", at.gateway],
    ["caller", at.outbound],
  ] as const) {
    const name = `${role}-${http}`;
    peers.push(await startEnvoy({ dir, name, config: configs[role], port }));
  }
  closing.defer(() => {
    for (const peer of peers) peer.close();
  });
  const pids = peers.flatMap((peer) => [...peer.pids]);
  return { name: `by hand over HTTP/${http}`, port: at.outbound, pids };
}

async function toldPath(): Promise<Path> {
  const at = await ports();
  const western = resourcesOf(west, made);
  const sidecars = { http: { address: "127.0.0.1", port: at.inbound } };
  const cart = endpoint(1, { address: "127.0.0.1", ports: { http: at.app }, sidecars });
  western.update(target.service, meshService({ local: localService([cart]) }));
  const eastern = resourcesOf(east, made);
  const gateways = [{ address: "127.0.0.1", port: at.gateway, isAlive: true }];
  eastern.update(target.service, meshService({ remotes: [remoteExport("west", { gateways })] }));
  const envoys = [
    await told(western, { node: sidecar("cart", at), identity: identities.app }),
    await told(western, {
      node: { t: "gateway", id: "gateway/0", engine: "envoy", listen: local(at.gateway) },
      identity: identities.gateway,
    }),
    await told(eastern, { node: sidecar("frontend", at), identity: identities.caller }),
  ];
  // Accepted is not yet listening.
  await setTimeout(1_000);
  return { name: "generated", port: at.outbound, pids: envoys.map(({ pid }) => pid) };
}

async function told(
  resources: MemberResources,
  as: { readonly node: ProxyNode; readonly identity: Identity },
): Promise<RealEnvoy> {
  const envoy = closing.use(await startToldEnvoy(as.node.id, as.identity));
  const nacks = await envoy.hold(toldIn(resources.open(as.node).view));
  if (nacks.length > 0) throw new Error(`Envoy refuses: ${JSON.stringify(nacks)}`);
  return envoy;
}

function sidecar(name: "cart" | "frontend", at: PathPorts): SidecarNode {
  const inbound = [{ endpoint: local(at.app), listen: local(at.inbound), app: local(at.app) }];
  const upstreams = [{ target, listen: local(at.outbound) }];
  return {
    t: "sidecar",
    engine: "envoy",
    namespace: parseNamespace("shop"),
    zone: "a",
    id: `sidecar/shop/${name}/0`,
    workload: name,
    serviceAccount: name,
    upstreams: name === "frontend" ? upstreams : [],
    inbound: name === "cart" ? inbound : [],
  };
}

function local(port: number): { readonly host: string; readonly port: number } {
  return { host: "127.0.0.1", port };
}

function resourcesOf(member: MemberName, of: MadeMesh): MemberResources {
  const network = parseNetworkName(member);
  return new MemberResources({
    place: { member, cloud: "aws", region: `region-of-${member}`, network },
    gateway: { member, mesh, maxClientHelloBytes: defaultMaxClientHelloBytes },
    settings: defaultProxySettings,
    trust: {
      bundlePem: of.bundle.pem,
      ownTrustDomain: trustDomainOf(member, mesh),
      trustDomains: [east, west].map((name) => trustDomainOf(name, mesh)),
    },
  });
}
