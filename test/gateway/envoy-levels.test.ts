import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server } from "node:https";
import { type AddressInfo, connect, createServer } from "node:net";
import { after, before, suite, test } from "node:test";
import type { MeshService } from "../../src/discovery/mesh-service.ts";
import { defaultMaxClientHelloBytes } from "../../src/gateway/door/listener.ts";
import { MemberResources } from "../../src/gateway/sets/member-resources.ts";
import {
  parseNamespace,
  parseNetworkName,
  parseSpiffeId,
  serviceIdOf,
  trustDomainOf,
} from "../../src/mesh/ids.ts";
import { endpointOrder } from "../../src/proxy/levels/endpoint-order.ts";
import type { SidecarNode } from "../../src/proxy/node.ts";
import { endpoint, localService, meshService, remoteExport } from "../proxy/made.ts";
import { east, madeMesh, mesh, west } from "../trust/made.ts";
import { identityOf } from "./identities.ts";
import { type RealEnvoy, skipWithoutEnvoy, startEnvoy, until } from "./real-envoy.ts";
import { toldIn } from "./told.ts";

const cartId = serviceIdOf("shop", "cart");
const requests = 1_500;
// Which level a request goes to is drawn: four standard deviations of 1,500 draws.
const tolerance = 0.052;
/** Takes requests and does not answer them. */
const hungHost = "127.0.1.99";

suite("a real Envoy sends requests where levelsFor() says", { skip: skipWithoutEnvoy }, () => {
  let hosts: Server;
  let port: number;
  let envoy: RealEnvoy;
  let resources: MemberResources;
  let node: SidecarNode;
  const held: ServerResponse[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });

  before(async () => {
    const made = await madeMesh(Date.now());
    const issuer = made.east;
    const cart = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart");
    const frontend = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/frontend");
    const { certChainPem, privateKeyPem } = await identityOf(made, { issuer, id: cart });
    // All hosts are this server: each address of 127.0.0.0/8 is another one.
    const tls = { cert: certChainPem, key: privateKeyPem.reveal() };
    hosts = createTlsServer(tls, (request, response) => {
      if (request.socket.localAddress === hungHost) held.push(response);
      else response.end(request.socket.localAddress);
    }).listen(0, "0.0.0.0");
    await once(hosts, "listening");
    ({ port } = hosts.address() as AddressInfo);
    resources = resourcesOf(made.bundle.pem);
    node = frontendNode(await freePort());
    const identity = await identityOf(made, { issuer, id: frontend });
    envoy = await startEnvoy(node.id, identity);
  });
  after(async () => {
    agent.destroy();
    await envoy[Symbol.asyncDispose]();
    hosts.close();
    hosts.closeAllConnections();
  });

  const gateway = (address: string, isAlive = true, zone?: string) => {
    return { address, port, isAlive, ...(zone === undefined ? {} : { zone }) };
  };
  /** Refuses. */
  const dead = (address: string) => ({ ...gateway(address), port: 1 });
  const cart = (number: number, health: "healthy" | "unhealthy" | "draining", zone = "a") => {
    const address = `127.0.1.${number}`;
    const sidecars = { http: { address, port } };
    return endpoint(number, { address, health, zone, sidecars });
  };
  const near = (wish: Parameters<typeof remoteExport>[1] = {}) =>
    remoteExport("near", {
      cloud: "aws",
      region: "us-east-1",
      gateways: [gateway("127.0.2.1"), gateway("127.0.2.2")],
      ...wish,
    });
  const far = (wish: Parameters<typeof remoteExport>[1] = {}) =>
    remoteExport("far", { rank: 1, gateways: [gateway("127.0.3.1")], ...wish });

  const cases: Record<string, () => Partial<MeshService>> = {
    "the own member while it is well": () => ({
      local: localService([cart(1, "healthy"), cart(2, "healthy")]),
      remotes: [near(), far()],
    }),
    "30 % to the near member with half of the own one": () => ({
      local: localService([cart(1, "healthy"), cart(2, "unhealthy")]),
      remotes: [near(), far()],
    }),
    "zones of the own member by their fair share": () => ({
      local: localService([
        cart(1, "healthy", "a"),
        cart(2, "healthy", "b"),
        cart(3, "healthy", "b"),
      ]),
    }),
    "workloads of the same network themselves": () => ({
      local: localService([cart(1, "unhealthy")]),
      remotes: [
        near({
          network: parseNetworkName("east"),
          endpoints: [
            endpoint(7, {
              address: "127.0.4.7",
              sidecars: { http: { address: "127.0.4.7", port } },
            }),
          ],
        }),
        far(),
      ],
    }),
    "all to the living one of two gateways": () => ({
      local: localService([cart(1, "draining")]),
      remotes: [near({ gateways: [gateway("127.0.2.1"), gateway("127.0.2.2", false)] }), far()],
    }),
    "to the next region when all gateways of a member are dead": () => ({
      remotes: [
        near({ gateways: [gateway("127.0.2.1", false), gateway("127.0.2.2", false)] }),
        far(),
      ],
    }),
    "what the unhealthy part of a member behind its gateways spills": () => ({
      remotes: [near({ zones: [{ zone: "1", healthy: 10, total: 50 }] }), far()],
    }),
    "to one healthy endpoint of fifty, and not nothing": () => ({
      remotes: [near({ zones: [{ zone: "1", healthy: 1, total: 50 }] }), far()],
    }),
    "to gateways by the zones that they stand for": () => ({
      remotes: [
        near({
          gateways: [gateway("127.0.2.1", true, "1"), gateway("127.0.2.2", true, "2")],
          zones: [
            { zone: "1", healthy: 9, total: 9 },
            { zone: "2", healthy: 3, total: 3 },
          ],
        }),
      ],
    }),
    "to a returning member a quarter of its weight": () => ({
      remotes: [near({ share: 0.25 }), far()],
    }),
  };

  for (const [name, made] of Object.entries(cases)) {
    test(name, async () => {
      const service = meshService(made());
      resources.update(cartId, service);
      const { view, close } = resources.open(node);
      assert.deepEqual(await envoy.hold(toldIn(view)), []);
      const told = endpointOrder(service, resources.viewer("a"));
      const shares = told.filter(({ target }) => target.suffix === "svc.cluster.local");
      const at = node.upstreams[0]?.listen.port ?? 0;
      // Accepted is not yet listening: the first time it waits for its routes.
      await until(() => isListening(at));
      const seen = await whereTo(at, agent);
      for (const { address, share } of shares) {
        const actual = (seen.get(address) ?? 0) / requests;
        assert.ok(Math.abs(actual - share) <= tolerance, `${address}: ${actual}, not ${share}`);
      }
      close();
    });
  }

  test("one host of four that hangs gets few requests besides those that it has", async (t) => {
    const endpoints = [1, 2, 3, 99].map((number) => cart(number, "healthy"));
    resources.update(cartId, meshService({ local: localService(endpoints) }));
    const { view, close } = resources.open(node);
    assert.deepEqual(await envoy.hold(toldIn(view)), []);
    const at = node.upstreams[0]?.listen.port ?? 0;
    await until(() => isListening(at));
    const asked = 200;
    const patient = new Agent({ keepAlive: true, maxSockets: asked });
    for (let count = 0; count < asked; count += 1) {
      const before = held.length;
      const answer = once(get({ host: "127.0.0.1", port: at, agent: patient }), "response");
      const answered = answer
        .then(async ([response]) => {
          for await (const _ of response);
        })
        // Held ones may be cut at the end.
        .catch(() => undefined);
      const ended = new AbortController();
      // Those that are held are answered in the end.
      const isHeld = until(() => ended.signal.aborted || held.length > before);
      await Promise.race([answered, isHeld]);
      ended.abort();
    }
    const count = held.length;
    for (const response of held.splice(0)) response.end(hungHost);
    patient.destroy();
    close();
    t.diagnostic(`${count} of ${asked}`);
    // In turn it would be 50; of two drawn hosts both are this one once in sixteen times: 12 or so.
    assert.ok(count > 0 && count < 35, `${count} of ${asked} requests`);
  });

  const surprises: Record<string, () => Partial<MeshService>> = {
    "one of two gateways": () => ({
      remotes: [near({ gateways: [gateway("127.0.2.1"), dead("127.0.2.2")] }), far()],
    }),
    "the gateway of a zone with most endpoints": () => ({
      remotes: [
        near({
          gateways: [gateway("127.0.2.1", true, "1"), { ...dead("127.0.2.2"), zone: "2" }],
          zones: [
            { zone: "1", healthy: 2, total: 2 },
            { zone: "2", healthy: 6, total: 6 },
          ],
        }),
        far(),
      ],
    }),
    "one of two gateways of a member with some endpoints missing": () => ({
      remotes: [
        near({
          gateways: [gateway("127.0.2.1"), dead("127.0.2.2")],
          zones: [{ zone: "1", healthy: 6, total: 8 }],
        }),
        far(),
      ],
    }),
  };

  for (const [name, made] of Object.entries(surprises)) {
    test(`${name} dies unknown to the agent: nothing fails, next to nothing leaves the region`, async () => {
      resources.update(cartId, meshService(made()));
      const { view, close } = resources.open(node);
      assert.deepEqual(await envoy.hold(toldIn(view)), []);
      const at = node.upstreams[0]?.listen.port ?? 0;
      await until(() => isListening(at));
      const seen = await whereTo(at, agent);
      // One that meets the dead one twice before that is found out goes on to the next level.
      const strays = requests - (seen.get("127.0.2.1") ?? 0);
      assert.ok(strays <= requests / 200, JSON.stringify(Object.fromEntries(seen)));
      close();
    });
  }
});

/** How many requests each address answered. All must be answered. */
async function whereTo(port: number, agent: Agent): Promise<ReadonlyMap<string, number>> {
  const seen = new Map<string, number>();
  const one = async (): Promise<void> => {
    const [response] = await once(get({ host: "127.0.0.1", port, agent }), "response");
    let body = "";
    for await (const chunk of response) body += String(chunk);
    assert.equal(response.statusCode, 200, body);
    seen.set(body, (seen.get(body) ?? 0) + 1);
  };
  const worker = async (_: unknown, index: number): Promise<void> => {
    for (let done = index; done < requests; done += agent.maxSockets) await one();
  };
  await Promise.all(Array.from({ length: agent.maxSockets }, worker));
  return seen;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function resourcesOf(bundlePem: string): MemberResources {
  const network = parseNetworkName("east");
  return new MemberResources({
    place: { member: east, cloud: "aws", region: "us-east-1", network },
    gateway: { member: east, mesh, maxClientHelloBytes: defaultMaxClientHelloBytes },
    // Hosts and callers are this one process: a slow handshake must not eject a host.
    settings: { connectTimeoutMs: 4_000 },
    trust: {
      bundlePem,
      ownTrustDomain: trustDomainOf(east, mesh),
      trustDomains: [east, west].map((name) => trustDomainOf(name, mesh)),
    },
  });
}

function frontendNode(port: number): SidecarNode {
  const target = { service: cartId, port: 80, suffix: "svc.cluster.local" } as const;
  return {
    t: "sidecar",
    engine: "envoy",
    namespace: parseNamespace("shop"),
    zone: "a",
    id: "sidecar/shop/frontend/0",
    workload: "frontend",
    serviceAccount: "frontend",
    upstreams: [{ target, listen: { host: "127.0.0.1", port } }],
    inbound: [],
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
