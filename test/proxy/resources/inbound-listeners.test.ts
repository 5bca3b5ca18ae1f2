import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isMessage, toBinary, toJsonString } from "@bufbuild/protobuf";
import { readSecret } from "../../../src/dataplane/config/read-secret.ts";
import {
  parseMemberName,
  parseNamespace,
  parseSpiffeId,
  parseTrustDomain,
  type TrustDomain,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import type { AppProtocol } from "../../../src/mesh/service.ts";
import type { SidecarNode } from "../../../src/proxy/node.ts";
import { extensions } from "../../../src/proxy/resources/extensions.ts";
import { inboundListeners, mtlsChain } from "../../../src/proxy/resources/inbound-listeners.ts";
import { meshValidation } from "../../../src/proxy/resources/validation-contexts.ts";
import type { FederatedView, TrustView } from "../../../src/proxy/trust-view.ts";
import { FilterChainSchema } from "../../../src/xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import { SecretSchema } from "../../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { DownstreamTlsContextSchema } from "../../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { packedIn } from "../../../src/xds/pack.ts";
import { madeMesh, mesh } from "../../trust/made.ts";
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

function chainFor(trust: Partial<TrustView>, serviceAccount = "cart"): string {
  const ownTrustDomain = domainOf("east");
  const all = { bundlePem: "(bundle)", ownTrustDomain, trustDomains: [ownTrustDomain], ...trust };
  const callee = { namespace: "shop", serviceAccount };
  const chain = mtlsChain({ trust: all, callee, protocol: "tcp", alpn: [], envoyCluster: "app" });
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

test("an inbound listener lets in no foreign caller but those that are named for its own workload", () => {
  const federated: FederatedView = {
    trustDomain: parseTrustDomain("partner.example"),
    bundlePem: "(theirs)",
    callers: [
      { id: parseSpiffeId("spiffe://partner.example/ns/a/sa/b"), to: ["shop/cart", "shop/till"] },
      { id: parseSpiffeId("spiffe://partner.example/ns/a/sa/c"), to: ["shop/till"] },
    ],
  };
  const own = chainFor({});
  const cart = chainFor({ federated: [federated] });
  assert.match(cart, /"exact":"spiffe:\/\/partner\.example\/ns\/a\/sa\/b"/);
  assert.doesNotMatch(cart, /sa\/c"/);
  // Its paths may hold any words, and so those by which members are known.
  assert.match(cart, /"notId".*"spiffe:\/\/partner\.example\/"/);
  assert.doesNotMatch(chainFor({ federated: [federated] }, "stock"), /exact/);
  assert.doesNotMatch(own, /partner/);
});

test("meshValidation() keeps one bundle for all until a foreign trust domain is let in", async () => {
  const [ours, theirs] = [(await madeMesh()).bundle.pem, (await madeMesh()).bundle.pem];
  const trustDomains = [domainOf("west"), domainOf("east")];
  const trust = { bundlePem: ours, ownTrustDomain: domainOf("east"), trustDomains };
  const read = (view: TrustView): ReturnType<typeof readSecret> => {
    const secret = meshValidation(view);
    assert.ok(secret);
    // What is sent is what the engine understands.
    return readSecret(toBinary(SecretSchema, secret));
  };
  assert.equal(read(trust).bundlePem, ours);
  assert.equal(read(trust).domains, undefined);
  const trustDomain = parseTrustDomain("partner.example");
  const federated = [{ trustDomain, bundlePem: theirs, callers: [] }];
  const { bundlePem, domains, names } = read({ ...trust, federated });
  assert.deepEqual(
    [...(domains ?? [])],
    [
      ["east.acme.mesh", ours],
      ["partner.example", theirs],
      ["west.acme.mesh", ours],
    ],
  );
  assert.equal(bundlePem, "");
  assert.equal(names.length, 3);
});
