import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isMessage, toJsonString } from "@bufbuild/protobuf";
import {
  parseMemberName,
  parseNamespace,
  type TrustDomain,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import type { AppProtocol } from "../../../src/mesh/service.ts";
import type { SidecarNode } from "../../../src/proxy/node.ts";
import { extensions } from "../../../src/proxy/resources/extensions.ts";
import { inboundListeners, mtlsChain } from "../../../src/proxy/resources/inbound-listeners.ts";
import type { TrustView } from "../../../src/proxy/trust-view.ts";
import { FilterChainSchema } from "../../../src/xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import { DownstreamTlsContextSchema } from "../../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { packedIn } from "../../../src/xds/pack.ts";
import { mesh } from "../../trust/made.ts";
import { east } from "../made.ts";

suite("inboundListeners() prefer", () => {
  const newest = { major: 1, minor: 40 };
  const oldest = { major: 1, minor: 36 };

  test("HTTP/2 where the proxy speaks HTTP and can end a connection", () => {
    assert.deepEqual(alpnOf({ version: newest }, "http"), ["h2", "http/1.1"]);
    assert.deepEqual(alpnOf({ version: newest }, "grpc"), ["h2", "http/1.1"]);
  });
  test("HTTP/1.1 where it cannot", () => {
    assert.deepEqual(alpnOf({ version: oldest }, "http"), ["http/1.1", "h2"]);
  });
  test("HTTP/1.1 where it answers for an application that it does not understand", () => {
    assert.deepEqual(alpnOf({ version: newest }, "tcp"), ["http/1.1", "h2"]);
    assert.deepEqual(alpnOf({ engine: "embedded" }, "http"), ["http/1.1", "h2"]);
  });
});

function alpnOf(wish: Partial<SidecarNode>, protocol: AppProtocol): readonly string[] {
  const at = { host: "10.0.0.7", port: 15_006 };
  const app = { host: "10.0.0.7", port: 8080 };
  const node: SidecarNode = {
    t: "sidecar",
    id: "sidecar/shop/cart/0",
    engine: "envoy",
    namespace: parseNamespace("shop"),
    workload: "cart",
    serviceAccount: "cart",
    zone: "a",
    upstreams: [],
    inbound: [{ endpoint: app, listen: at, app }],
    ...wish,
  };
  const ownTrustDomain = trustDomainOf(east, mesh);
  const trust = { bundlePem: "(bundle)", ownTrustDomain, trustDomains: [ownTrustDomain] };
  const [listener] = inboundListeners(node, { trust, protocolOf: () => protocol });
  const socket = listener?.filterChains[0]?.transportSocket?.configType;
  const tls = socket?.case === "typedConfig" ? packedIn(socket.value) : undefined;
  assert.ok(isMessage(tls, DownstreamTlsContextSchema));
  return tls.commonTlsContext?.alpnProtocols ?? [];
}

const domainOf = (name: string): TrustDomain => trustDomainOf(parseMemberName(name), mesh);

function chainFor(trust: Partial<TrustView>): string {
  const ownTrustDomain = domainOf("east");
  const all = { bundlePem: "(bundle)", ownTrustDomain, trustDomains: [ownTrustDomain], ...trust };
  const chain = mtlsChain({ trust: all, protocol: "tcp", alpn: [], envoyCluster: "app" });
  return toJsonString(FilterChainSchema, chain, { registry: extensions });
}

test("an inbound listener stays the same when members join, so that nobody's connections end", () => {
  const two = chainFor({ trustDomains: [domainOf("east"), domainOf("west")] });
  assert.equal(two, chainFor({}));
});

test("an inbound listener is another one for each member that is denied, and says so by name", () => {
  const without = chainFor({ denied: [domainOf("west")] });
  assert.match(without, /"notId".*"spiffe:\/\/west\.acme\.mesh\/"/);
  assert.notEqual(without, chainFor({ denied: [domainOf("west"), domainOf("asia")] }));
});
