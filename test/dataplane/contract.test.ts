import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  applyDelta,
  emptyConfig,
  engineTypes,
  isListenerWarm,
  wantedNames,
} from "../../src/dataplane/config/state.ts";
import type { MeshService } from "../../src/discovery/mesh-service.ts";
import { gatewayNodeResources, gatewayResources } from "../../src/gateway/door/resources.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  parseNetworkName,
  parseServiceId,
  parseSpiffeId,
  serviceIdOf,
  trustDomainOf,
} from "../../src/mesh/ids.ts";
import { meshResources } from "../../src/proxy/mesh-resources.ts";
import { sidecarNodeResources } from "../../src/proxy/node-resources.ts";
import type { Sealed } from "../../src/proxy/seal.ts";
import { sidecarResources, zoneResources } from "../../src/proxy/service-resources.ts";
import { defaultProxySettings } from "../../src/proxy/settings.ts";
import { valueOf } from "../../src/xds/encode.ts";
import { testTrust } from "./support/certificates.ts";

const mesh = parseMeshDomain("acme.mesh");
const [east, west] = [parseMemberName("east"), parseMemberName("west")];
const { bundlePem } = await testTrust();
const trustDomains = [trustDomainOf(east, mesh), trustDomainOf(west, mesh)];
const trust = { bundlePem, ownTrustDomain: trustDomainOf(east, mesh), trustDomains };
const service: MeshService = {
  id: parseServiceId("shop/cart"),
  type: "ClusterSetIP",
  ports: [{ name: "http", port: 80, protocol: "TCP" }],
  isLocalNameShared: true,
  local: {
    id: parseServiceId("shop/cart"),
    type: "ClusterSetIP",
    ports: [{ name: "http", port: 80, protocol: "TCP" }],
    exported: { createdAtMs: 0 },
    endpoints: [
      {
        workload: "cart-1",
        address: "10.0.0.7",
        ports: { http: 8080 },
        zone: "a",
        health: "healthy",
        serviceAccount: "cart",
        sidecars: { http: { address: "10.0.0.7", port: 15006 } },
      },
    ],
  },
  remotes: [
    {
      member: west,
      cloud: "azure",
      region: "westeurope",
      network: parseNetworkName("west"),
      rank: 1,
      ports: [{ name: "http", port: 80, protocol: "TCP" }],
      identities: [parseSpiffeId("spiffe://west.acme.mesh/ns/shop/sa/cart")],
      zones: [{ zone: "1", healthy: 2, total: 3 }],
      gateways: [{ address: "192.0.2.1", port: 15443, isAlive: true }],
      endpoints: [],
      isUsable: true,
      isReturning: false,
      share: 1,
    },
  ],
};
const place = { member: east, cloud: "aws", region: "us-east-1" };
const viewer = { ...place, network: parseNetworkName("east"), zone: "a" };

function sidecarParts(): Sealed[] {
  const sidecar = sidecarResources(service, { trust, settings: defaultProxySettings });
  const target = {
    service: serviceIdOf("shop", "cart"),
    port: 80,
    suffix: "svc.cluster.local",
  } as const;
  const at = (port: number): { host: string; port: number } => ({ host: "127.0.0.1", port });
  const node = sidecarNodeResources(
    {
      t: "sidecar",
      id: "sidecar/shop/cart-1/1",
      engine: "embedded",
      namespace: parseNamespace("shop"),
      workload: "cart-1",
      serviceAccount: "cart",
      zone: "a",
      upstreams: [{ target, listen: at(15101) }],
      inbound: [{ endpoint: { host: "10.0.0.7", port: 8080 }, listen: at(15006), app: at(8080) }],
    },
    {
      trust,
      outboundProtocolOf: () => "http",
      inboundProtocolOf: () => "http",
      capturedPorts: () => [],
    },
  );
  return [sidecar, zoneResources(service, { viewer, sidecar }), node, meshResources(trust)];
}

function gatewayParts(): Sealed[] {
  const node = {
    t: "gateway",
    id: "gateway/isthmus/gw/1",
    engine: "embedded",
    listen: { host: "0.0.0.0", port: 15443 },
  } as const;
  const settings = { member: east, mesh, maxClientHelloBytes: 16_384 };
  return [
    gatewayResources(service, {
      door: { place, zone: "", zones: [] },
      settings: defaultProxySettings,
    }),
    gatewayNodeResources(node, { settings, trust }),
    meshResources(trust),
  ];
}

describe("the engine takes what the agent builds", () => {
  for (const [role, parts, listeners] of [
    ["sidecar", sidecarParts(), 2],
    ["gateway", gatewayParts(), 1],
  ] as const) {
    test(`for a ${role}, whole, and can open every listener with it`, () => {
      const config = emptyConfig();
      const resources = parts.flatMap((part) => part.resources);
      assert.deepEqual(
        parts.flatMap((part) => part.withheld),
        [],
      );
      for (const type of engineTypes) {
        const upserts = resources
          .filter((resource) => resource.type === type)
          .map((resource) => ({ ...resource, value: valueOf(resource) }));
        assert.notEqual(upserts.length, 0);
        assert.deepEqual(applyDelta(config, { type, upserts, removed: [] }).refused, []);
      }
      assert.equal(config.listener.size, listeners);
      for (const { model } of config.listener.values())
        assert.ok(model !== undefined && isListenerWarm(config, model));
      const wanted = wantedNames(config);
      assert.deepEqual(
        [...wanted.secret].filter((name) => !config.secret.has(name)),
        [],
      );
      assert.deepEqual(
        [...wanted.endpoint].filter((name) => !config.endpoint.has(name)),
        [],
      );
    });
  }
});
