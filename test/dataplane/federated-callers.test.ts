import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { toBinary } from "@bufbuild/protobuf";
import { verifyChain } from "../../src/app/launcher/verify-chain.ts";
import type { Engine } from "../../src/dataplane/io/engine.ts";
import {
  parseMeshDomain,
  parseNamespace,
  parseSpiffeId,
  parseTrustDomain,
} from "../../src/mesh/ids.ts";
import type { Identity } from "../../src/mesh/ports.ts";
import type { SidecarNode } from "../../src/proxy/node.ts";
import { inboundClusters, inboundListeners } from "../../src/proxy/resources/inbound-listeners.ts";
import { meshValidation } from "../../src/proxy/resources/validation-contexts.ts";
import type { FederatedView, TrustView } from "../../src/proxy/trust-view.ts";
import { ClusterSchema } from "../../src/xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ListenerSchema } from "../../src/xds/gen/envoy/config/listener/v3/listener_pb.ts";
import { SecretSchema } from "../../src/xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { identitySource, type TestTrust, testTrust } from "./support/certificates.ts";
import { FakeAgent } from "./support/fake-agent.ts";
import { dialTls, echo, portOf, startEngine, type TestServer, tcpServer } from "./support/parts.ts";
import type { TestResource } from "./support/resources.ts";

const partnerMesh = parseMeshDomain("partner.example");
const tillId = "spiffe://shop.partner.example/ns/shop/sa/till";
const stockId = "spiffe://shop.partner.example/ns/shop/sa/stock";

let ours: TestTrust;
let theirs: TestTrust;
let agent: FakeAgent;
let engine: Engine;
let app: TestServer;

before(async () => {
  ours = await testTrust();
  theirs = await testTrust(partnerMesh);
  app = await tcpServer(echo);
  agent = await FakeAgent.start(await ours.identity("spiffe://east.acme.mesh/isthmus/agent"));
  agent.set(
    ...told({
      ...trustView(),
      federated: [partner([{ id: parseSpiffeId(tillId), to: ["shop/cart"] }])],
    }),
  );
  const identity = identitySource(await ours.identity("spiffe://east.acme.mesh/ns/shop/sa/cart"));
  engine = startEngine({ agentPort: agent.port, identity, verifyChain });
  await engine.ready;
});

after(async () => {
  await engine.close();
  agent.stop();
  await app[Symbol.asyncDispose]();
});

function trustView(): TrustView {
  const trustDomains = ["east", "west"].map((name) => parseTrustDomain(`${name}.acme.mesh`));
  const [ownTrustDomain = parseTrustDomain("east.acme.mesh")] = trustDomains;
  return { bundlePem: ours.bundlePem, ownTrustDomain, trustDomains };
}

function partner(callers: FederatedView["callers"]): FederatedView {
  const trustDomain = parseTrustDomain("shop.partner.example");
  return { trustDomain, bundlePem: theirs.bundlePem, callers };
}

const listenerName = "inbound@127.0.0.1:0";
const at = { host: "127.0.0.1", port: 0 };

/** What an agent tells of the workload `shop/cart`, byte for byte. */
function told(trust: TrustView): readonly TestResource[] {
  const host = { host: "127.0.0.1", port: app.port };
  const node: SidecarNode = {
    t: "sidecar",
    id: "sidecar/shop/cart/0",
    engine: "embedded",
    namespace: parseNamespace("shop"),
    workload: "cart",
    serviceAccount: "cart",
    zone: "",
    upstreams: [],
    inbound: [{ endpoint: host, listen: at, app: host }],
  };
  const protocolOf = (): "tcp" => "tcp";
  const secret = meshValidation(trust);
  assert.ok(secret);
  return [
    ...inboundClusters(node, protocolOf).map((one) =>
      resource("cluster", one.name, toBinary(ClusterSchema, one)),
    ),
    resource("secret", secret.name, toBinary(SecretSchema, secret)),
    ...inboundListeners(node, { trust, protocolOf }).map((one) =>
      resource("listener", one.name, toBinary(ListenerSchema, one)),
    ),
  ];
}

function resource(type: TestResource["type"], name: string, value: Uint8Array): TestResource {
  return { type, name, version: createHash("sha1").update(value).digest("hex"), value };
}

/** Whether this caller's words come back. */
async function isServed(identity: Identity, roots: string): Promise<boolean> {
  const socket = dialTls(portOf(engine, listenerName), {
    identity: { ...identity, bundlePem: roots },
    sni: "inbound",
  });
  socket.write("hello");
  return await new Promise((resolve) => {
    socket.once("close", () => resolve(false));
    socket.once("data", () => {
      resolve(true);
      socket.destroy();
    });
  });
}

test("a foreign caller is served where the charter names it for this workload", async () => {
  assert.equal(await isServed(await theirs.identity(tillId), ours.bundlePem), true);
});

test("another identity of the same trust domain is refused: nothing is allowed by default", async () => {
  assert.equal(await isServed(await theirs.identity(stockId), ours.bundlePem), false);
});

test("members are served as before", async () => {
  const west = await ours.identity("spiffe://west.acme.mesh/ns/shop/sa/frontend");
  assert.equal(await isServed(west, ours.bundlePem), true);
});

test("nobody speaks for a trust domain with another one's roots, in either direction", async () => {
  const west = "spiffe://west.acme.mesh/ns/shop/sa/frontend";
  const stranger = await testTrust();
  assert.equal(await isServed(await stranger.identity(west), ours.bundlePem), false);
  // The partner's root now is one that certified a name of ours: it still speaks for the partner's names alone.
  agent.set(
    ...told({ ...trustView(), federated: [{ ...partner([]), bundlePem: stranger.bundlePem }] }),
  );
  await agent.answered("secret");
  assert.equal(await isServed(await stranger.identity(west), ours.bundlePem), false);
  assert.equal(await isServed(await ours.identity(west), ours.bundlePem), true);
  assert.equal(await isServed(await theirs.identity(tillId), ours.bundlePem), false);
});

test("a caller without a certificate is refused", async () => {
  const port = portOf(engine, listenerName);
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  socket.on("error", () => {});
  socket.write("hello");
  socket.on("data", () => assert.fail("served"));
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
});
