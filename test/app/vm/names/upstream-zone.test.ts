import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { test } from "node:test";
import { realClock } from "../../../../src/app/real-time.ts";
import { upstreamZones, zoneOfUpstreams } from "../../../../src/app/vm/names/upstream-zone.ts";
import { startDnsServer } from "../../../../src/discovery/io/dns-server.ts";
import { parseHostPort } from "../../../../src/mesh/address.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";

const upstream = (service: string, port: number, listen: string) => ({
  service: parseServiceId(service),
  port,
  listen: parseHostPort(listen),
});

async function startNames(): Promise<{ resolver: Resolver } & AsyncDisposable> {
  const zone = zoneOfUpstreams([
    upstream("shop/cart", 80, "127.0.0.1:15101"),
    upstream("shop/cart", 80, "127.79.0.9:80"),
    upstream("shop/cart", 443, "127.79.0.9:443"),
    upstream("shop/db", 5432, "127.0.0.1:15102"),
    upstream("shop/open", 81, "0.0.0.0:81"),
  ]);
  const server = await startDnsServer({
    listen: { host: "127.0.0.1", port: 0 },
    zones: upstreamZones,
    services: { ...zone, isKnown: () => true },
    clock: realClock,
    telemetry: { count: () => undefined },
  });
  const resolver = new Resolver({ timeout: 5000, tries: 2 });
  resolver.setServers([`127.0.0.1:${server.address.port}`]);
  return { resolver, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test("a service's names in both zones lead to where its upstream has the service's own port", async () => {
  await using names = await startNames();
  for (const zone of ["cluster.local", "clusterset.local"]) {
    assert.deepEqual(await names.resolver.resolve4(`cart.shop.svc.${zone}`), ["127.79.0.9"]);
    await assert.rejects(names.resolver.resolve6(`cart.shop.svc.${zone}`), { code: "ENODATA" });
  }
});

const rows = [
  ["db.shop.svc.cluster.local", "ENOTFOUND", "its upstream has another port"],
  ["open.shop.svc.cluster.local", "ENOTFOUND", "its upstream is open to other machines"],
  ["other.shop.svc.cluster.local", "ENOTFOUND", "it is no upstream"],
  ["cart.shop.cluster.local", "ENOTFOUND", "it is no service's name"],
  ["example.com", "EREFUSED", "it is in no zone of ours"],
] as const;
for (const [name, code, why] of rows) {
  test(`${name} is not there: ${why}`, async () => {
    await using names = await startNames();
    await assert.rejects(names.resolver.resolve4(name), { code });
  });
}
