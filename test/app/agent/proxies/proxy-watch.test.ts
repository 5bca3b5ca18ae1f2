import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectedProxy } from "../../../../src/app/agent/proxies/agent-proxies.ts";
import {
  createProxyWatch,
  type ProxyWatch,
} from "../../../../src/app/agent/proxies/proxy-watch.ts";
import { servedBy } from "../../../../src/app/agent/proxies/served-by.ts";
import type { Finding } from "../../../../src/mesh/service.ts";
import { endpointOf, serviceOf } from "../../../discovery/support/made.ts";

interface World {
  readonly watch: ProxyWatch;
  /** Looks now and after so many seconds, as the agent does. */
  readonly after: (seconds: number) => readonly string[];
}

function world(change: {
  readonly proxies?: () => readonly ConnectedProxy[];
  readonly servedElsewhere?: () => ReadonlySet<string> | undefined;
  readonly hasGateway?: boolean;
  readonly services?: ReturnType<typeof serviceOf>[];
  readonly injected?: readonly string[];
}): World {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const watch = createProxyWatch({
    hasGateway: change.hasGateway ?? true,
    servedElsewhere: change.servedElsewhere ?? (() => new Set()),
    isWarm: () => true,
    services: () => change.services ?? [serviceOf("shop/cart")],
    proxies: change.proxies ?? (() => []),
    isInjected: (address) => change.injected?.includes(address) === true,
    clock,
  });
  return {
    watch,
    after: (seconds) => {
      watch.look();
      nowMs += seconds * 1000;
      watch.look();
      return watch.findings().map(({ code, subject }: Finding) => `${code} ${subject}`);
    },
  };
}

const gateway = { node: { t: "gateway" } } as ConnectedProxy;
const sidecar = {
  node: { t: "sidecar", inbound: [{ endpoint: { host: "10.0.0.1", port: 8080 } }] },
} as unknown as ConnectedProxy;

test("createProxyWatch() says nothing while all proxies are connected", () => {
  assert.deepEqual(world({ proxies: () => [gateway, sidecar] }).after(60), []);
});

test("createProxyWatch() says that the gateway and a sidecar are gone, after half a minute", () => {
  const { after } = world({});
  assert.deepEqual(after(29), []);
  assert.deepEqual(after(2), ["GATEWAY_GONE gateway.addresses", "PROXY_SIDECAR_GONE shop/w-1"]);
});

test("createProxyWatch() forgets at once what is back", () => {
  let connected: readonly ConnectedProxy[] = [];
  const { watch, after } = world({ proxies: () => connected });
  assert.equal(after(31).length, 2);
  connected = [gateway, sidecar];
  watch.look();
  assert.deepEqual(watch.findings(), []);
  connected = [];
  assert.deepEqual(after(20), []);
});

test("createProxyWatch() expects no gateway where none is announced, and no sidecar that never was", () => {
  const bare = serviceOf("shop/cart", { endpoints: [endpointOf(1, { sidecars: {} })] });
  assert.deepEqual(world({ hasGateway: false, services: [bare] }).after(60), []);
});

test("createProxyWatch() expects nothing of a workload that is unhealthy", () => {
  const down = serviceOf("shop/cart", { healths: ["unhealthy", "draining"] });
  assert.deepEqual(world({ hasGateway: false, services: [down] }).after(60), []);
});

test("createProxyWatch() is silent beside a replica that does not tell which streams it has", () => {
  assert.deepEqual(world({ servedElsewhere: () => undefined }).after(60), []);
});

test("createProxyWatch() misses only what no replica serves either", () => {
  const here = servedBy([sidecar]);
  assert.deepEqual(world({ servedElsewhere: () => here }).after(60), [
    "GATEWAY_GONE gateway.addresses",
  ]);
  const both = servedBy([gateway, sidecar]);
  assert.deepEqual(world({ servedElsewhere: () => both }).after(60), []);
});

test("createProxyWatch() names a bounded number of workloads", () => {
  const healths = Array.from({ length: 500 }, () => "healthy" as const);
  const lines = world({ hasGateway: false, services: [serviceOf("shop/cart", { healths })] }).after(
    60,
  );
  assert.equal(lines.length, 21);
});

test("createProxyWatch() names pods whose sidecar never came, together", () => {
  const endpoints = [1, 2, 3, 4, 5].map((number) => endpointOf(number, { sidecars: {} }));
  const injected = endpoints.slice(0, 4).map(({ address }) => address);
  const services = [serviceOf("shop/cart", { endpoints })];
  const { watch, after } = world({ hasGateway: false, services, injected });
  assert.deepEqual(after(29), []);
  assert.deepEqual(after(2), ["PROXY_SIDECAR_UNPROVEN shop/w-1"]);
  const [finding] = watch.findings();
  assert.match(
    finding?.message ?? "",
    /^4 workloads have .*: shop\/w-1, shop\/w-2, shop\/w-3 and 1 more$/,
  );
});

test("createProxyWatch() counts a sidecar that has a stream as there, also where it stands before no port", () => {
  const endpoint = endpointOf(1, { sidecars: {} });
  const services = [serviceOf("shop/cart", { endpoints: [endpoint] })];
  const captured = {
    node: { t: "sidecar", inbound: [], capture: { addresses: [endpoint.address] } },
  } as unknown as ConnectedProxy;
  const injected = [endpoint.address];
  const watched = (proxies: readonly ConnectedProxy[]): readonly string[] =>
    world({ hasGateway: false, services, injected, proxies: () => proxies }).after(60);
  assert.deepEqual(watched([captured]), []);
  assert.deepEqual(watched([]), ["PROXY_SIDECAR_UNPROVEN shop/w-1"]);
});
