import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { defaultMaxClientHelloBytes } from "../../src/gateway/door/listener.ts";
import { MemberResources } from "../../src/gateway/sets/member-resources.ts";
import {
  parseNamespace,
  parseNetworkName,
  parseSpiffeId,
  serviceIdOf,
  trustDomainOf,
} from "../../src/mesh/ids.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import type { Resource } from "../../src/xds/resource.ts";
import { endpoint, localService, meshService } from "../proxy/made.ts";
import { east, type MadeMesh, madeMesh, mesh } from "../trust/made.ts";
import { identityOf } from "./identities.ts";
import { skipWithoutEnvoy, startEnvoyAt, until } from "./real-envoy.ts";
import { SilentAds } from "./silent-ads.ts";
import { toldIn } from "./told.ts";

const cart = serviceIdOf("shop", "cart");
const nodeId = "sidecar/shop/frontend/0";
// Envoy's own patience is 15 s.
const longMs = 17_000;

suite("a real Envoy whose agent hangs in the middle of a sentence", {
  skip: skipWithoutEnvoy,
  concurrency: true,
}, () => {
  for (const silent of ["endpoint", "secret", "route"] as const) {
    test(`opens no listener before it was told every ${silent}`, async () => {
      const made = await madeMesh(Date.now());
      await using host = await startHost(made);
      const at = await freePort();
      using ads = new SilentAds(told(made, { app: host.port, at }), [silent]);
      await using _envoy = await startEnvoyAt(await ads.listen(), await frontendOf(made));
      assert.deepEqual(await answersFor(longMs, at), ["ECONNREFUSED"]);
      ads.speak();
      await until(async () => (await ask(at)) === "200 cart");
    });
  }
});

async function frontendOf(made: MadeMesh): Promise<{ nodeId: string; identity: Identity }> {
  const id = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/frontend");
  return { nodeId, identity: await identityOf(made, { issuer: made.east, id }) };
}

/** All different ones. */
async function answersFor(durationMs: number, port: number): Promise<readonly string[]> {
  const answers = new Set<string>();
  const endMs = performance.now() + durationMs;
  for (; performance.now() < endMs; await wait(100)) answers.add(await ask(port));
  return [...answers];
}

function told(
  made: MadeMesh,
  at: { readonly app: number; readonly at: number },
): readonly Resource[] {
  const resources = new MemberResources({
    place: {
      member: east,
      cloud: "aws",
      region: "us-east-1",
      network: parseNetworkName("east"),
    },
    gateway: { member: east, mesh, maxClientHelloBytes: defaultMaxClientHelloBytes },
    settings: { connectTimeoutMs: 4_000 },
    trust: {
      bundlePem: made.bundle.pem,
      ownTrustDomain: trustDomainOf(east, mesh),
      trustDomains: [trustDomainOf(east, mesh)],
    },
  });
  const sidecars = { http: { address: "127.0.0.1", port: at.app } };
  const local = localService([endpoint(1, { address: "127.0.0.1", sidecars })]);
  resources.update(cart, meshService({ local }));
  const target = { service: cart, port: 80, suffix: "svc.cluster.local" } as const;
  const { view } = resources.open({
    t: "sidecar",
    engine: "envoy",
    namespace: parseNamespace("shop"),
    zone: "a",
    id: nodeId,
    workload: "frontend",
    serviceAccount: "frontend",
    upstreams: [{ target, listen: { host: "127.0.0.1", port: at.at } }],
    inbound: [],
  });
  return toldIn(view);
}

async function ask(port: number): Promise<string> {
  return await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(1_000) }).then(
    async (response) => `${response.status} ${await response.text()}`,
    (error: Error) => String((error.cause as { readonly code?: string })?.code ?? error.name),
  );
}

async function startHost(made: MadeMesh): Promise<AsyncDisposable & { readonly port: number }> {
  const id = parseSpiffeId("spiffe://east.acme.mesh/ns/shop/sa/cart");
  const { certChainPem, privateKeyPem } = await identityOf(made, { issuer: made.east, id });
  const server = createTlsServer(
    { cert: certChainPem, key: privateKeyPem.reveal() },
    (_request, response) => response.end("cart"),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
