import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary, toBinary, toJson } from "@bufbuild/protobuf";
import { parseMeshDomain, parseSpiffeId, parseTrustDomain } from "../../src/mesh/ids.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import { extensions } from "../../src/proxy/resources/extensions.ts";
import { mtlsChain } from "../../src/proxy/resources/inbound-listeners.ts";
import { meshValidation } from "../../src/proxy/resources/validation-contexts.ts";
import type { TrustView } from "../../src/proxy/trust-view.ts";
import { FilterChainSchema } from "../../src/xds/gen/envoy/config/listener/v3/listener_components_pb.ts";
import { SecretSchema } from "../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { testTrust } from "../dataplane/support/certificates.ts";
import { envoyBinary, startEnvoy } from "./judges/envoy.ts";
import { skipUnlessCi } from "./judges/skip.ts";
import { dial } from "./judges/tls-peer.ts";

const tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const tillId = "spiffe://shop.partner.example/ns/shop/sa/till";
const west = "spiffe://west.acme.mesh/ns/shop/sa/frontend";

/** A server of the workload `shop/cart`, as our agent tells an Envoy to judge its callers. */
function serverOf(trust: TrustView, own: Identity): object {
  const secret = meshValidation(trust);
  assert.ok(secret);
  const registry = extensions;
  const sent = fromBinary(SecretSchema, toBinary(SecretSchema, secret));
  const { validationContext } = toJson(SecretSchema, sent, { registry }) as {
    validationContext: object;
  };
  const callee = { namespace: "shop", serviceAccount: "cart" };
  const chain = mtlsChain({ trust, callee, protocol: "tcp", alpn: [], envoyCluster: "app" });
  const told = fromBinary(FilterChainSchema, toBinary(FilterChainSchema, chain));
  const { filters } = toJson(FilterChainSchema, told, { registry }) as unknown as {
    filters: readonly object[];
  };
  const echo = "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo";
  const certificate = {
    certificateChain: { inlineString: own.certChainPem },
    privateKey: { inlineString: own.privateKeyPem.reveal() },
  };
  const address = { socketAddress: { address: "127.0.0.1", portValue: 0 } };
  const typedConfig = {
    "@type": `${tls}.DownstreamTlsContext`,
    requireClientCertificate: true,
    commonTlsContext: { tlsCertificates: [certificate], validationContext },
  };
  const server = {
    name: "server",
    address,
    filterChains: [
      {
        filters: [filters[0], { name: "echo", typedConfig: { "@type": echo } }],
        transportSocket: { name: "envoy.transport_sockets.tls", typedConfig },
      },
    ],
  };
  return { admin: { address }, staticResources: { listeners: [server] } };
}

test("Envoy judges callers by the roots of their own trust domain, and lets in who is named", async (t) => {
  if (envoyBinary === undefined) return skipUnlessCi(t, "ISTHMUS_ENVOY");
  const ours = await testTrust();
  const theirs = await testTrust(parseMeshDomain("partner.example"));
  // Somebody with a root of his own who certifies names of both.
  const [forger, foreignForger] = [
    await testTrust(),
    await testTrust(parseMeshDomain("partner.example")),
  ];
  const trustDomains = ["east", "west"].map((name) => parseTrustDomain(`${name}.acme.mesh`));
  const own = await ours.identity("spiffe://east.acme.mesh/ns/shop/sa/cart");
  const callers = [{ id: parseSpiffeId(tillId), to: ["shop/cart"] }];
  const partner = {
    trustDomain: parseTrustDomain("shop.partner.example"),
    bundlePem: theirs.bundlePem,
    callers,
  };
  const second = {
    trustDomain: parseTrustDomain("x.example"),
    bundlePem: forger.bundlePem,
    callers: [],
  };
  const ownTrustDomain = parseTrustDomain("east.acme.mesh");
  const trust = {
    bundlePem: ours.bundlePem,
    ownTrustDomain,
    trustDomains,
    federated: [partner, second],
  };
  await using envoy = await startEnvoy(serverOf(trust, own));
  const port = (await envoy.ports())("server");
  const judge = async (identity: Identity): Promise<string> =>
    await dial(port, {
      shown: { cert: identity.certChainPem, key: identity.privateKeyPem.reveal() },
    });
  assert.equal(await judge(await ours.identity(west)), "ok");
  assert.equal(await judge(await theirs.identity(tillId)), "ok");
  const refused = [
    await theirs.identity("spiffe://shop.partner.example/ns/shop/sa/stock"),
    // Both roots are known to this Envoy, for other names.
    await forger.identity(west),
    await foreignForger.identity(tillId),
  ];
  for (const identity of refused) assert.equal(await judge(identity), "refused", identity.id);
});
