import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, get, type Server } from "node:http";
import { createServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { defaultMaxClientHelloBytes } from "../../src/gateway/door/listener.ts";
import { GatewayProber, type ProbeReport } from "../../src/gateway/io/prober.ts";
import { MemberResources } from "../../src/gateway/sets/member-resources.ts";
import { formatHostPort } from "../../src/mesh/address.ts";
import type { MemberName } from "../../src/mesh/ids.ts";
import {
  parseNamespace,
  parseNetworkName,
  parseSpiffeId,
  serviceIdOf,
  trustDomainOf,
} from "../../src/mesh/ids.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import type { Endpoint } from "../../src/mesh/service.ts";
import type { GatewayNode, Inbound, ProxyNode, SidecarNode } from "../../src/proxy/node.ts";
import { defaultProxySettings } from "../../src/proxy/settings.ts";
import { createVerifier } from "../../src/trust/verifier.ts";
import { endpoint, localService, meshService, remoteExport } from "../proxy/made.ts";
import { east, type MadeMesh, madeMesh, mesh, west } from "../trust/made.ts";
import { identityOf } from "./identities.ts";
import { type RealEnvoy, skipWithoutEnvoy, startEnvoy } from "./real-envoy.ts";
import { toldIn } from "./told.ts";
import { quietLog, realClock } from "./world.ts";

// Every address of the suite that runs.
let local = "127.0.0.1";
const cartId = serviceIdOf("shop", "cart");

for (const host of ["127.0.0.1", "::1"]) {
  suite(`real Envoys carry requests from member to member over ${host}`, {
    skip: skipWithoutEnvoy,
  }, () => {
    const started: AsyncDisposable[] = [];
    let made: MadeMesh;
    let app: Server;
    let ports: Ports;
    let eastern: MemberResources;
    let caller: RealEnvoy;

    before(async () => {
      local = host;
      made = await madeMesh(Date.now());
      app = createHttpServer((request, response) => {
        response.setHeader("caller", String(request.headers["x-forwarded-client-cert"]));
        // No application may claim what only its sidecar can know.
        response.setHeader("x-isthmus-unreached", "lie");
        response.end(`${request.method} from west`);
      });
      ports = await freePorts();
      app.listen(ports.app, local);
      await once(app, "listening");
      const cart = (app: number, inbound: number): Endpoint =>
        endpoint(app, {
          address: local,
          ports: { http: app },
          sidecars: { http: { address: local, port: inbound } },
        });
      // Two workloads, one of which has died behind its living sidecar.
      const carts = [cart(ports.app, ports.inbound), cart(ports.deadApp, ports.deadInbound)];
      const western = resourcesOf(west, made);
      western.update(cartId, meshService({ local: localService(carts) }));
      const gateways = [{ address: local, port: ports.gateway, isAlive: true }];
      eastern = resourcesOf(east, made);
      eastern.update(cartId, meshService({ remotes: [remoteExport("west", { gateways })] }));

      const gatewayId = parseSpiffeId("spiffe://west.acme.mesh/isthmus/gateway");
      const westCartId = parseSpiffeId("spiffe://west.acme.mesh/ns/shop/sa/cart");
      const frontendId = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/frontend");
      const frontend = await identityOf(made, { issuer: made.east, id: frontendId });
      caller = await envoyFor(eastern, {
        node: frontendNode("envoy", ports.http),
        identity: frontend,
      });
      started.push(
        await envoyFor(western, {
          node: gatewayNode(ports.gateway),
          identity: await identityOf(made, { issuer: made.west, id: gatewayId }),
        }),
        await envoyFor(western, {
          node: cartNode(ports),
          identity: await identityOf(made, { issuer: made.west, id: westCartId }),
        }),
        caller,
        await envoyFor(eastern, {
          node: frontendNode("embedded", ports.bytes),
          identity: frontend,
        }),
      );
    });
    after(async () => {
      for (const one of started) await one[Symbol.asyncDispose]();
      app.close();
      app.closeAllConnections();
    });

    const call = (port: number, method: string): Promise<Response> =>
      fetch(`http://${formatHostPort({ host: local, port })}/`, { method });

    for (const method of ["GET", "POST"]) {
      test(`${method} over HTTP, whatever died behind its sidecar, and the application learns who calls`, async () => {
        for (let round = 0; round < 20; round += 1) {
          assert.equal((await call(ports.http, method)).status, 200);
        }
        const response = await call(ports.http, method);
        assert.equal(await response.text(), `${method} from west`);
        assert.match(
          response.headers.get("caller") ?? "",
          /URI=spiffe:\/\/east\.acme\.mesh\/ns\/shop\/sa\/frontend/,
        );
        assert.equal(response.headers.get("x-isthmus-unreached"), null);
      });
    }

    test("a WebSocket, from end to end", async () => {
      app.once("upgrade", (_request, socket) => {
        socket.end(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nbye",
        );
      });
      const headers = { connection: "upgrade", upgrade: "websocket" };
      const upgraded = await once(get({ host: local, port: ports.http, headers }), "upgrade");
      const [, socket, head] = upgraded as [unknown, Socket, Buffer];
      const [first] = head.length > 0 ? [head] : ((await once(socket, "data")) as [Buffer]);
      assert.equal(first.toString(), "bye");
      socket.destroy();
    });

    test("bytes, for a sidecar that only forwards", async () => {
      // Nobody repeats a request in bytes, so about half of them meet the dead application.
      const calls = Array.from({ length: 20 }, () => call(ports.bytes, "GET"));
      const answers = await Promise.allSettled(calls);
      assert.ok(answers.some((one) => one.status === "fulfilled" && one.value.status === 200));
    });

    test("a probe ends in the gateway itself", async () => {
      const report = Promise.withResolvers<ProbeReport>();
      const agent = await identityOf(made, {
        issuer: made.east,
        id: parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent"),
      });
      using prober = new GatewayProber({
        mesh,
        identity: { current: () => agent, onChange: () => () => undefined },
        verifyPeer: createVerifier({
          mesh,
          bundle: () => made.bundle,
          charter: () => made.charter.charter,
        }).verifyPeer,
        clock: realClock,
        random: () => 0,
        log: quietLog,
        intervalMs: 50,
        onReport: report.resolve,
      });
      prober.setTargets([{ member: west, address: local, port: ports.gateway }]);
      assert.equal((await report.promise).isAlive, true);
    });

    test("what breaks a rule of the protocol is withheld, and the last good version serves on", async () => {
      eastern.setSettings({ connectTimeoutMs: 0 });
      assert.match(eastern.withheld()[0]?.reason ?? "", /connect_?timeout/i);
      const { view, close } = eastern.open(frontendNode("envoy", ports.http));
      const told = toldIn(view);
      assert.ok(told.some(({ type }) => type === "cluster"));
      assert.deepEqual(await caller.hold(told), []);
      assert.equal((await call(ports.http, "GET")).status, 200);
      close();
    });

    test("an unreachable application is an error of its sidecar's making, and the marker stays inside", async () => {
      app.close();
      app.closeAllConnections();
      const response = await call(ports.http, "POST");
      assert.equal(response.status, 503);
      assert.equal(response.headers.get("x-isthmus-unreached"), null);
    });
  });
}

function resourcesOf(member: MemberName, made: MadeMesh): MemberResources {
  const trustDomains = [east, west].map((name) => trustDomainOf(name, mesh));
  return new MemberResources({
    place: {
      member,
      cloud: "aws",
      region: `region-of-${member}`,
      network: parseNetworkName(member),
    },
    gateway: { member, mesh, maxClientHelloBytes: defaultMaxClientHelloBytes },
    settings: defaultProxySettings,
    trust: {
      bundlePem: made.bundle.pem,
      ownTrustDomain: trustDomainOf(member, mesh),
      trustDomains,
    },
  });
}

async function envoyFor(
  resources: MemberResources,
  as: { readonly node: ProxyNode; readonly identity: Identity },
): Promise<RealEnvoy> {
  const { node, identity } = as;
  const envoy = await startEnvoy(node.id, identity);
  const { view } = resources.open(node);
  assert.deepEqual(await envoy.hold(toldIn(view)), []);
  return envoy;
}

function gatewayNode(port: number): GatewayNode {
  return {
    t: "gateway",
    id: "gateway/isthmus/gw/0",
    engine: "envoy",
    listen: { host: local, port },
  };
}

const sidecarBase = {
  t: "sidecar",
  engine: "envoy",
  namespace: parseNamespace("shop"),
  zone: "a",
} as const;

function cartNode(ports: Ports): SidecarNode {
  const entry = (app: number, listen: number): Inbound => ({
    endpoint: { host: local, port: app },
    listen: { host: local, port: listen },
    app: { host: local, port: app },
  });
  const inbound = [entry(ports.app, ports.inbound), entry(ports.deadApp, ports.deadInbound)];
  const names = { id: "sidecar/shop/cart/0", workload: "cart", serviceAccount: "cart" };
  return { ...sidecarBase, ...names, upstreams: [], inbound };
}

/** `embedded` is told to forward bytes, which an Envoy can do as well. */
function frontendNode(engine: SidecarNode["engine"], port: number): SidecarNode {
  const target = { service: cartId, port: 80, suffix: "svc.cluster.local" } as const;
  const upstreams = [{ target, listen: { host: local, port } }];
  const names = { workload: "frontend", serviceAccount: "frontend" };
  return {
    ...sidecarBase,
    ...names,
    id: `sidecar/shop/frontend/${engine}`,
    engine,
    upstreams,
    inbound: [],
  };
}

const portNames = ["http", "bytes", "gateway", "inbound", "app", "deadInbound", "deadApp"] as const;
type Ports = Readonly<Record<(typeof portNames)[number], number>>;

async function freePorts(): Promise<Ports> {
  const servers = portNames.map((name) => ({ name, server: createServer().listen(0, local) }));
  const ports = await Promise.all(
    servers.map(async ({ name, server }) => {
      await once(server, "listening");
      const address = server.address();
      return [name, typeof address === "object" && address !== null ? address.port : 0] as const;
    }),
  );
  for (const { server } of servers) server.close();
  return Object.fromEntries(ports) as Ports;
}
