import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { defaultMaxClientHelloBytes } from "../../../src/gateway/door/listener.ts";
import { MemberResources } from "../../../src/gateway/sets/member-resources.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  type TrustDomain,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import type { GrpcNode, SidecarNode } from "../../../src/proxy/node.ts";
import { defaultProxySettings } from "../../../src/proxy/settings.ts";
import type { ResourceKey } from "../../../src/xds/resource.ts";
import { type View, viewedAll } from "../../../src/xds/view.ts";
import { east, endpoint, localService, meshService, viewer } from "../../proxy/made.ts";

const mesh = parseMeshDomain("acme.mesh");
const domain = (name: string): TrustDomain => trustDomainOf(parseMemberName(name), mesh);

function made(): MemberResources {
  const { zone: _, ...place } = viewer;
  return new MemberResources({
    place,
    gateway: { member: east, mesh, maxClientHelloBytes: defaultMaxClientHelloBytes },
    settings: defaultProxySettings,
    trust: {
      bundlePem: "(bundle)",
      ownTrustDomain: domain("east"),
      trustDomains: [domain("east"), domain("west")],
    },
  });
}

const program = (zone: string, security: GrpcNode["security"] = "mtls"): GrpcNode => ({
  t: "grpc",
  id: "grpc/shop/frontend-1",
  engine: "grpc",
  zone,
  security,
});
const sidecar = (zone: string): SidecarNode => ({
  t: "sidecar",
  id: `sidecar/shop/frontend/${zone}`,
  engine: "embedded",
  namespace: parseNamespace("shop"),
  workload: "frontend",
  serviceAccount: "frontend",
  zone,
  upstreams: [],
  inbound: [],
});

const namesOf = (view: View, type: ResourceKey["type"]): string[] =>
  [...viewedAll(view, type)].map(({ name }) => name).sort();

suite("what gRPC programs see", () => {
  test("is names, clusters and endpoints of services, and nothing that belongs to a proxy", () => {
    const resources = made();
    resources.update(...service());
    const view = resources.open(program("a")).view;
    const cluster = "outbound|80||cart.shop.svc.cluster.local";
    assert.deepEqual(namesOf(view, "cluster"), [cluster]);
    assert.deepEqual(namesOf(view, "endpoint"), [cluster]);
    assert.deepEqual(namesOf(view, "route"), [cluster]);
    assert.deepEqual(namesOf(view, "listener"), [
      "cart.shop.svc.cluster.local",
      "cart.shop.svc.cluster.local:80",
      "outbound_.80_._.cart.shop.svc.cluster.local",
    ]);
    assert.deepEqual(namesOf(view, "secret"), []);
  });

  test("has no cluster while nobody is known who may answer with a proof", () => {
    const resources = made();
    const { serviceAccount: _, ...nameless } = endpoint(1);
    resources.update(...service([nameless]));
    assert.deepEqual(namesOf(resources.open(program("a")).view, "cluster"), []);
    assert.equal(namesOf(resources.open(program("a", "plaintext")).view, "cluster").length, 1);
  });

  test("follows a change of an endpoint with that service's endpoints alone", () => {
    const resources = made();
    resources.update(...service());
    const seen: string[] = [];
    for (const set of resources.open(program("a")).view.sets) {
      set.onChange((changed) => seen.push(...changed.map(({ type }) => type)));
    }
    resources.update(...service([endpoint(1, { health: "unhealthy" })]));
    assert.deepEqual(seen, ["endpoint"]);
  });

  test("is no reason to move the weights of zones: programs are not counted as callers", () => {
    const resources = made();
    resources.open(program("b"));
    resources.open(sidecar("a"));
    resources.refreshCallers();
    assert.deepEqual([...(resources.viewer("a").callers ?? [])], [["a", 10]]);
  });
});

test("callers may claim so many zones and no more, and those of known zones are served on", () => {
  const resources = made();
  const opened = Array.from({ length: 32 }, (_, index) => [
    resources.open(program(`z${index}`)),
    resources.open(sidecar(`z${index}`)),
  ]).flat();
  const refusal = { code: "MESH_XDS_REQUEST_REFUSED" };
  assert.throws(() => resources.open(program("one-more")), refusal);
  assert.throws(() => resources.open(sidecar("one-more")), refusal);
  resources.open(program("z7")).close();
  assert.equal(resources.nodes().length, 33, "who was refused left nothing behind");
  opened[0]?.close();
  resources.open(sidecar("one-more"));
});

/** `shop/cart` of the own member. */
function service(
  endpoints: Parameters<typeof localService>[0] = [endpoint(1)],
): Parameters<MemberResources["update"]> {
  const { exported: _, ...local } = localService(endpoints);
  const whole = meshService({ local });
  return [whole.id, whole];
}
