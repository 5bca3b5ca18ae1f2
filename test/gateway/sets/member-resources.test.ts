import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { defaultMaxClientHelloBytes } from "../../../src/gateway/door/listener.ts";
import { MemberResources } from "../../../src/gateway/sets/member-resources.ts";
import type { TrustDomain } from "../../../src/mesh/ids.ts";
import {
  parseMemberName,
  parseMeshDomain,
  parseNamespace,
  serviceIdOf,
  trustDomainOf,
} from "../../../src/mesh/ids.ts";
import type { GatewayNode, SidecarNode } from "../../../src/proxy/node.ts";
import { defaultProxySettings } from "../../../src/proxy/settings.ts";
import { valueOf } from "../../../src/xds/encode.ts";
import type { ResourceKey } from "../../../src/xds/resource.ts";
import { type View, viewed, viewedAll } from "../../../src/xds/view.ts";
import {
  east,
  endpoint,
  http,
  localService,
  meshService,
  remoteExport,
  viewer,
} from "../../proxy/made.ts";

const mesh = parseMeshDomain("acme.mesh");
const domain = (name: string): TrustDomain => trustDomainOf(parseMemberName(name), mesh);
const trust = {
  bundlePem: "(bundle)",
  ownTrustDomain: domain("east"),
  trustDomains: [domain("east"), domain("west")],
};

const sidecar: SidecarNode = {
  t: "sidecar",
  id: "sidecar/shop/frontend/0",
  engine: "embedded",
  namespace: parseNamespace("shop"),
  workload: "frontend",
  serviceAccount: "frontend",
  zone: "a",
  upstreams: [
    {
      target: { service: serviceIdOf("shop", "cart"), port: 80, suffix: "svc.cluster.local" },
      listen: { host: "127.0.0.1", port: 15_101 },
    },
  ],
  inbound: [],
};
const gateway: GatewayNode = {
  t: "gateway",
  id: "gateway/isthmus/gw/0",
  engine: "embedded",
  listen: { host: "0.0.0.0", port: 15_443 },
};

function made(): MemberResources {
  const { zone: _, ...place } = viewer;
  return new MemberResources({
    place,
    gateway: { member: east, mesh, maxClientHelloBytes: defaultMaxClientHelloBytes },
    settings: defaultProxySettings,
    trust,
  });
}

/** What a view is told to have changed, in words. */
function watch(view: View): string[] {
  const seen: string[] = [];
  const add = (changed: readonly ResourceKey[]): void => {
    seen.push(...changed.map(({ type, name }) => `${type} ${name}`));
  };
  for (const set of view.sets) set.onChange(add);
  return seen;
}

const namesOf = (view: View, type: ResourceKey["type"]): string[] =>
  [...viewedAll(view, type)].map(({ name }) => name);
const cartLocal = "outbound|80||cart.shop.svc.cluster.local";
const mailId = serviceIdOf("shop", "mail");
const mailLocal = "outbound|80||mail.shop.svc.cluster.local";
const cartMesh = "outbound|80||cart.shop.svc.clusterset.local";
const cart = meshService({ local: localService([endpoint(1)]) });

suite("MemberResources", () => {
  test("tells a sidecar of services that come after it", () => {
    const resources = made();
    const { view } = resources.open(sidecar);
    assert.deepEqual(namesOf(view, "listener"), [`${cartLocal}@127.0.0.1:15101`]);
    resources.update(cart.id, cart);
    assert.deepEqual(namesOf(view, "cluster"), [cartLocal, cartMesh]);
    assert.deepEqual(namesOf(view, "endpoint"), [cartLocal, cartMesh]);
    assert.deepEqual(namesOf(view, "secret"), ["validation|shop/cart", "validation|mesh"]);
  });

  test("touches nothing but endpoints when an endpoint changes", () => {
    const resources = made();
    resources.update(cart.id, cart);
    const { view } = resources.open(sidecar);
    const seen = watch(view);
    resources.update(cart.id, meshService({ local: localService([endpoint(1), endpoint(2)]) }));
    assert.deepEqual(seen, [`endpoint ${cartLocal}`, `endpoint ${cartMesh}`]);
  });

  test("touches only the validation context besides, when a member begins to export", () => {
    const resources = made();
    resources.update(cart.id, cart);
    const { view } = resources.open(sidecar);
    const seen = watch(view);
    resources.update(cart.id, { ...cart, remotes: [remoteExport("west")] });
    assert.deepEqual(seen, [
      "secret validation|shop/cart",
      `endpoint ${cartLocal}`,
      `endpoint ${cartMesh}`,
    ]);
  });

  test("makes routes for those who ask for them by name", () => {
    const resources = made();
    const mail = { ...meshService({ local: localService([endpoint(1)]) }), id: mailId };
    resources.update(cart.id, cart);
    const { view } = resources.open({ ...sidecar, engine: "envoy" });
    const seen = watch(view);
    const routeOf = (name: string): string | undefined =>
      viewed(view, { type: "route", name })?.version;
    assert.deepEqual(namesOf(view, "route"), []);
    assert.equal(typeof routeOf(cartLocal), "string");
    assert.deepEqual(namesOf(view, "route"), [cartLocal, cartMesh]);
    assert.equal(routeOf(mailLocal), undefined);
    assert.equal(seen.length, 0, "to ask changes nothing");
    resources.update(mail.id, mail);
    assert.ok(seen.includes(`route ${mailLocal}`), "somebody may wait for it");
    assert.equal(typeof routeOf(mailLocal), "string");
    resources.update(cart.id, { ...cart, ports: [{ ...http, port: 81 }] });
    assert.ok(seen.includes(`route ${cartLocal}`));
    assert.equal(routeOf(cartLocal), undefined);
    assert.equal(typeof routeOf(cartLocal.replace("|80|", "|81|")), "string");
    resources.update(mail.id, undefined);
    assert.equal(routeOf(mailLocal), undefined);
  });

  test("touches nothing when nothing changed, and nothing of other services", () => {
    const resources = made();
    resources.update(cart.id, cart);
    const other = {
      ...meshService({ remotes: [remoteExport("west")] }),
      id: serviceIdOf("shop", "mail"),
    };
    const { view } = resources.open(sidecar);
    const seen = watch(view);
    resources.update(cart.id, structuredClone(cart));
    assert.equal(seen.length, 0);
    resources.update(other.id, other);
    assert.ok(seen.length > 0 && seen.every((line) => line.includes("mail")));
  });

  test("takes everything of a service back when it is gone", () => {
    const resources = made();
    const views = [resources.open(sidecar).view, resources.open(gateway).view];
    const before = views.map(
      (view) => [...viewedAll(view, "cluster"), ...viewedAll(view, "endpoint")].length,
    );
    resources.update(cart.id, cart);
    resources.update(cart.id, undefined);
    const after = views.map(
      (view) => [...viewedAll(view, "cluster"), ...viewedAll(view, "endpoint")].length,
    );
    assert.deepEqual(after, before);
    assert.equal(resources.service(cart.id), undefined);
  });

  test("never touches a gateway's listener when exports come and go", () => {
    const resources = made();
    const { view } = resources.open(gateway);
    const seen = watch(view);
    resources.update(cart.id, cart);
    resources.update(cart.id, undefined);
    assert.ok(seen.length > 0 && seen.every((line) => !line.startsWith("listener")));
  });

  test("gives the endpoints a version that follows their cluster's", () => {
    const resources = made();
    resources.update(cart.id, cart);
    const { view } = resources.open(sidecar);
    const before = viewed(view, { type: "endpoint", name: cartLocal });
    resources.setSettings({ connectTimeoutMs: 1_000 });
    const after = viewed(view, { type: "endpoint", name: cartLocal });
    assert.ok(before !== undefined && after !== undefined);
    assert.deepEqual(valueOf(after), valueOf(before));
    assert.notEqual(after.version, before.version);
  });

  test("shuts a denied member out: names, callers, validation", () => {
    const resources = made();
    resources.update(cart.id, meshService({ remotes: [remoteExport("west")] }));
    const { view } = resources.open({
      ...sidecar,
      inbound: [
        {
          endpoint: { host: "10.0.0.7", port: 8_080 },
          listen: { host: "10.0.0.7", port: 15_006 },
          app: { host: "127.0.0.1", port: 8_080 },
        },
      ],
    });
    const isTold = (): boolean =>
      [...viewedAll(view, "secret"), ...viewedAll(view, "listener")].some((resource) =>
        Buffer.from(valueOf(resource)).includes("west.acme.mesh"),
      );
    assert.equal(isTold(), true);
    resources.setTrust({ ...trust, trustDomains: [domain("east")] });
    assert.equal(isTold(), false);
    assert.equal(viewed(view, { type: "secret", name: "validation|shop/cart" }), undefined);
  });

  test("keeps a zone's endpoints as long as one of its sidecars is there", () => {
    const resources = made();
    resources.update(cart.id, cart);
    const [first, second] = [
      resources.open(sidecar),
      resources.open({ ...sidecar, id: "sidecar/shop/frontend/1" }),
    ];
    assert.equal(first.view.sets[1], second.view.sets[1]);
    first.close();
    first.close();
    const third = resources.open({ ...sidecar, id: "sidecar/shop/frontend/2" });
    assert.equal(third.view.sets[1], second.view.sets[1]);
    second.close();
    third.close();
    assert.notEqual(resources.open(sidecar).view.sets[1], second.view.sets[1]);
  });

  test("lets two streams of one node share its listeners, the newer one's claims", () => {
    const resources = made();
    const older = resources.open(sidecar);
    const newer = resources.open({ ...sidecar, upstreams: [] });
    assert.deepEqual(namesOf(older.view, "listener"), []);
    newer.close();
    assert.equal(resources.nodes().length, 1);
    older.close();
    assert.equal(resources.nodes().length, 0);
  });

  test("keeps a node's listeners from another account that borrows its id", () => {
    const resources = made();
    const victim = resources.open(sidecar);
    const before = namesOf(victim.view, "listener");
    const thief = resources.open({ ...sidecar, serviceAccount: "billing", upstreams: [] });
    assert.deepEqual(namesOf(victim.view, "listener"), before);
    assert.deepEqual(namesOf(thief.view, "listener"), []);
    thief.close();
    assert.deepEqual(namesOf(victim.view, "listener"), before);
    assert.deepEqual(resources.nodes(), [sidecar]);
  });

  test("moves traffic between zones when it learns where the callers are", () => {
    const resources = made();
    resources.update(
      cart.id,
      meshService({ local: localService([endpoint(1), endpoint(2, { zone: "b" })]) }),
    );
    const { view } = resources.open(sidecar);
    resources.open({ ...sidecar, id: "sidecar/shop/frontend/1", zone: "b" });
    const seen = watch(view);
    resources.refreshCallers();
    assert.deepEqual(seen, [`endpoint ${cartLocal}`, `endpoint ${cartMesh}`]);
    resources.refreshCallers();
    assert.equal(seen.length, 2);
  });

  test("gives an Envoy sidecar new listeners when a port turns out to speak HTTP", () => {
    const resources = made();
    const { view } = resources.open({ ...sidecar, engine: "envoy" });
    const seen = watch(view);
    resources.update(cart.id, cart);
    assert.ok(seen.includes(`listener ${cartLocal}@127.0.0.1:15101`));
    assert.ok(viewed(view, { type: "route", name: cartLocal }));
  });

  for (const name of ["constructor", "__proto__", "toString"]) {
    test(`takes a port named "${name}" for absent where an endpoint lacks it`, () => {
      const resources = made();
      const ports = [{ name, port: 80, protocol: "TCP" as const }];
      const local = { ...localService([endpoint(1, { ports: {} })]), ports };
      const { network } = viewer;
      const endpoints = [endpoint(2, { ports: {}, sidecars: {} })];
      const { view } = resources.open(sidecar);
      resources.open(gateway);
      resources.open({ ...sidecar, id: "sidecar/shop/frontend/1", engine: "envoy" });
      resources.update(
        cart.id,
        meshService({
          ports,
          local,
          remotes: [remoteExport("west", { ports, network, endpoints })],
        }),
      );
      assert.deepEqual(resources.withheld(), []);
      const hosts = viewed(view, { type: "endpoint", name: cartLocal });
      assert.ok(hosts);
      assert.ok(!Buffer.from(valueOf(hosts)).includes("10.1.0."));
    });
  }

  test("withholds nothing of what it builds", () => {
    const resources = made();
    resources.update(cart.id, cart);
    resources.open(sidecar);
    resources.open(gateway);
    assert.deepEqual(resources.withheld(), []);
  });
});
