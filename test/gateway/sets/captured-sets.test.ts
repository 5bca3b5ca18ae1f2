import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { MeshService } from "../../../src/discovery/mesh-service.ts";
import { defaultMaxClientHelloBytes } from "../../../src/gateway/door/listener.ts";
import { MemberResources } from "../../../src/gateway/sets/member-resources.ts";
import {
  parseMeshDomain,
  parseNamespace,
  serviceIdOf,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import type { Endpoint } from "../../../src/mesh/service.ts";
import type { SidecarNode } from "../../../src/proxy/node.ts";
import { defaultProxySettings } from "../../../src/proxy/settings.ts";
import { type View, viewedAll } from "../../../src/xds/view.ts";
import {
  east,
  endpoint,
  localService,
  meshService,
  remoteExport,
  viewer,
} from "../../proxy/made.ts";

const mesh = parseMeshDomain("acme.mesh");
const ownTrustDomain = trustDomainOf(east, mesh);
const shop = parseNamespace("shop");

function made(): MemberResources {
  const { zone: _, ...place } = viewer;
  return new MemberResources({
    place,
    gateway: { member: east, mesh, maxClientHelloBytes: defaultMaxClientHelloBytes },
    settings: defaultProxySettings,
    trust: { bundlePem: "(bundle)", ownTrustDomain, trustDomains: [ownTrustDomain] },
  });
}

const captured = (...addresses: string[]): SidecarNode => ({
  t: "sidecar",
  id: `sidecar/shop/captured/${addresses.join("-")}`,
  engine: "envoy",
  namespace: shop,
  workload: "captured",
  serviceAccount: "cart",
  zone: "a",
  upstreams: [],
  inbound: [],
  capture: {
    addresses,
    outboundPort: 15_001,
    inboundPort: 15_006,
    unknown: "pass",
    plaintextFrom: ["10.0.0.0/8"],
    openPorts: [],
  },
});

const namesOf = (view: View): readonly string[] =>
  [...viewedAll(view, "listener")].map(({ name }) => name).sort();
const dialled = (view: View): readonly string[] =>
  namesOf(view).filter((name) => name.startsWith("outbound@"));

function changesOf(view: View): string[] {
  const changed: string[] = [];
  for (const set of view.sets) {
    set.onChange((keys) => changed.push(...keys.map(({ type, name }) => `${type} ${name}`)));
  }
  return changed;
}

/** A service of one workload, which takes mTLS where it is dialled. */
function headless(name: string, address: string): MeshService {
  const sidecars = { http: { address, port: 8080 } };
  const local = {
    ...localService([endpoint(1, { address, sidecars })]),
    type: "Headless" as const,
  };
  const id = serviceIdOf("shop", name);
  return meshService({ id, type: "Headless", local: { ...local, id } });
}

suite("what a captured sidecar is told", () => {
  const cart = (endpoints: readonly Endpoint[], clusterIps = ["10.96.0.1"]): MeshService =>
    meshService({ local: { ...localService(endpoints), clusterIps } });
  const id = serviceIdOf("shop", "cart");

  test("has a listener for each port of a cluster IP, and others have none of them", () => {
    const resources = made();
    resources.update(id, cart([endpoint(1)], ["10.96.0.1", "fd96::1"]));
    const { view } = resources.open(captured("10.1.0.9"));
    assert.deepEqual(dialled(view), ["outbound@10.96.0.1:80"]);
    const { capture: _, ...plain } = captured("10.1.0.8");
    assert.deepEqual(namesOf(resources.open(plain).view), []);
  });

  test("does not change with endpoints that come and go", () => {
    const resources = made();
    resources.update(id, cart([endpoint(1)]));
    const changed = changesOf(resources.open(captured("10.1.0.99")).view);
    resources.update(id, cart([endpoint(1), endpoint(2)]));
    assert.deepEqual(new Set(changed.map((key) => key.split(" ")[0])), new Set(["endpoint"]));
  });

  test("moves with a service's address", () => {
    const resources = made();
    resources.update(id, cart([endpoint(1)]));
    const { view } = resources.open(captured("10.1.0.99"));
    const changed = changesOf(view);
    resources.update(id, cart([endpoint(1)], ["10.96.0.2"]));
    assert.deepEqual(dialled(view), ["outbound@10.96.0.2:80"]);
    assert.deepEqual(changed.sort(), [
      "listener outbound@10.96.0.1:80",
      "listener outbound@10.96.0.2:80",
    ]);
    resources.update(id, undefined);
    assert.deepEqual(dialled(view), []);
  });

  test("takes the addresses of an import for the name of the mesh, whoever comes first", () => {
    const resources = made();
    const { view } = resources.open(captured("10.1.0.9"));
    resources.setImportIps(id, ["10.96.7.7"]);
    assert.deepEqual(dialled(view), []);
    resources.update(id, meshService({ remotes: [remoteExport("west")] }));
    assert.deepEqual(dialled(view), ["outbound@10.96.7.7:80"]);
    resources.setImportIps(id, []);
    assert.deepEqual(dialled(view), []);
  });

  test("gives an address that one workload took over from another to the new one, in either order", () => {
    for (const isNewFirst of [true, false]) {
      const resources = made();
      const { view } = resources.open(captured("10.1.0.99"));
      const [old, next] = [headless("old", "10.1.0.1"), headless("next", "10.1.0.1")];
      resources.update(old.id, old);
      const steps = [
        () => resources.update(old.id, undefined),
        () => resources.update(next.id, next),
      ];
      for (const step of isNewFirst ? steps.toReversed() : steps) step();
      assert.deepEqual(dialled(view), ["outbound@10.1.0.1:8080"]);
      const text = JSON.stringify([...viewedAll(view, "cluster")].map(({ name }) => name));
      assert.match(text, /direct\|80\|\|next\.shop/);
      assert.doesNotMatch(text, /direct\|80\|\|old\.shop/);
    }
  });

  test("is led to no headless service by an address that may be somebody else's", () => {
    const resources = made();
    const { view } = resources.open(captured("10.1.0.99"));
    const service = headless("mine", "10.9.8.7");
    assert.ok(service.local);
    const endpoints = service.local.endpoints.map((one) => ({ ...one, isUnowned: true }) as const);
    resources.update(service.id, { ...service, local: { ...service.local, endpoints } });
    assert.deepEqual(dialled(view), []);
    resources.update(service.id, service);
    assert.deepEqual(dialled(view), ["outbound@10.9.8.7:8080"]);
  });

  test("reports an address that two services claim, and keeps it where it was", () => {
    const resources = made();
    const { view } = resources.open(captured("10.1.0.99"));
    for (const name of ["old", "next"]) {
      const service = headless(name, "10.1.0.1");
      resources.update(service.id, service);
    }
    assert.deepEqual(dialled(view), ["outbound@10.1.0.1:8080"]);
    assert.deepEqual(
      resources.withheld().map(({ name, reason }) => `${name}: ${reason}`),
      ["outbound@10.1.0.1:8080: shop/old has it, shop/next claims it too"],
    );
  });
});

suite("a captured sidecar's own listener", () => {
  const inboundOf = (resources: MemberResources, node: SidecarNode): string => {
    const { view, close } = resources.open(node);
    const [clusters] = [[...viewedAll(view, "cluster")].map(({ name }) => name)];
    close();
    return clusters.filter((name) => name.startsWith("inbound|")).join(" ");
  };
  const id = serviceIdOf("shop", "cart");
  const service = meshService({ local: localService([endpoint(1)]) });

  test("has the ports that services lead to, known before it or after", () => {
    const resources = made();
    resources.update(id, service);
    assert.equal(inboundOf(resources, captured("10.1.0.1")), "inbound|8080||");
    const late = made();
    const { view } = late.open(captured("10.1.0.1"));
    late.update(id, service);
    assert.ok([...viewedAll(view, "cluster")].some(({ name }) => name === "inbound|8080||"));
    late.update(id, undefined);
    assert.ok(![...viewedAll(view, "cluster")].some(({ name }) => name === "inbound|8080||"));
  });

  test("has none of another address, of another namespace, and none that is left open", () => {
    const resources = made();
    resources.update(id, service);
    assert.equal(inboundOf(resources, captured("10.1.0.2")), "");
    assert.equal(
      inboundOf(resources, { ...captured("10.1.0.1"), namespace: parseNamespace("other") }),
      "",
    );
    const node = captured("10.1.0.1");
    assert.ok(node.capture);
    const open = { ...node, capture: { ...node.capture, openPorts: [8080] } };
    assert.equal(inboundOf(resources, open), "");
  });

  test("is built anew only when what leads to it changes", () => {
    const resources = made();
    resources.update(id, service);
    const changed = changesOf(resources.open(captured("10.1.0.1")).view);
    const sick = endpoint(1, { health: "unhealthy" });
    resources.update(id, meshService({ local: localService([sick, endpoint(2)]) }));
    assert.ok(!changed.includes("listener virtualInbound"));
    const moved = endpoint(1, { ports: { http: 9090 } });
    resources.update(id, meshService({ local: localService([moved]) }));
    assert.ok(changed.includes("listener virtualInbound"));
    assert.ok(changed.includes("cluster inbound|9090||"));
  });
});
