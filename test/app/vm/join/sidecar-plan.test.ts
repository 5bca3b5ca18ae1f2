import assert from "node:assert/strict";
import { test } from "node:test";
import { type PlanOptions, planSidecar } from "../../../../src/app/vm/join/sidecar-plan.ts";
import { loopbackAddresses } from "../../../../src/app/vm/names/loopback-addresses.ts";
import { formatHostPort, parseHostPort } from "../../../../src/mesh/address.ts";
import { parseServiceId } from "../../../../src/mesh/ids.ts";

const [cart, db, web] = ["shop/cart", "shop/db", "shop/web"].map(parseServiceId) as [
  ReturnType<typeof parseServiceId>,
  ReturnType<typeof parseServiceId>,
  ReturnType<typeof parseServiceId>,
];
const named = (service: typeof cart, port: number): string =>
  `${loopbackAddresses([cart, db, web]).get(service) ?? ""}:${port}`;

const tcp = (name: string, port: number) => ({ name, port, protocol: "TCP" as const });

async function plan(options: Partial<PlanOptions> = {}): Promise<{
  readonly inbound: readonly string[];
  readonly upstreams: readonly string[];
}> {
  const { inbound, upstreams } = await planSidecar({
    definition: { ports: [tcp("http", 8080)], upstreams: [] },
    address: "10.0.0.7",
    wanted: [{ service: cart, port: 80 }],
    before: [],
    withNames: true,
    isFree: () => Promise.resolve(true),
    ...options,
  });
  return {
    inbound: inbound.map((one) =>
      [one.endpoint, one.listen, one.app].map(formatHostPort).join(" "),
    ),
    upstreams: upstreams.map((one) => `${formatHostPort(one.listen)} ${one.service}:${one.port}`),
  };
}

test("planSidecar() takes mTLS for each TCP port at the VM's address, and hands it to loopback", async () => {
  const ports = [tcp("http", 8080), { ...tcp("dns", 53), protocol: "UDP" as const }, tcp("x", 9)];
  const { inbound } = await plan({ definition: { ports, upstreams: [] } });
  assert.deepEqual(inbound, [
    "10.0.0.7:8080 10.0.0.7:15006 127.0.0.1:8080",
    "10.0.0.7:9 10.0.0.7:15007 127.0.0.1:9",
  ]);
});

test("planSidecar() gives an upstream a number, and its name's address under its own port", async () => {
  const { upstreams } = await plan();
  assert.deepEqual(upstreams, ["127.0.0.1:15101 shop/cart:80", `${named(cart, 80)} shop/cart:80`]);
});

test("planSidecar() takes those of the group after those that were typed, each once", async () => {
  const definition = {
    ports: [],
    upstreams: [
      { service: db, port: 5432 },
      { service: cart, port: 80 },
    ],
  };
  const { upstreams } = await plan({ definition, withNames: false });
  assert.deepEqual(upstreams, ["127.0.0.1:15101 shop/cart:80", "127.0.0.1:15102 shop/db:5432"]);
});

test("planSidecar() leaves upstreams where they were, and goes around what is taken", async () => {
  const before = [{ service: db, port: 5432, listen: parseHostPort("127.0.0.1:15102") }];
  const wanted = [
    { service: cart, port: 80 },
    { service: db, port: 5432 },
    { service: web, port: 8000, listen: parseHostPort("127.0.0.1:15103") },
    { service: web, port: 8001 },
  ];
  const { upstreams } = await plan({
    before,
    wanted,
    withNames: false,
    isFree: ({ port }) => Promise.resolve(port !== 15_101),
  });
  assert.deepEqual(upstreams, [
    "127.0.0.1:15104 shop/cart:80",
    "127.0.0.1:15102 shop/db:5432",
    "127.0.0.1:15103 shop/web:8000",
    "127.0.0.1:15105 shop/web:8001",
  ]);
});

const named80 = { service: cart, port: 80, listen: parseHostPort(named(cart, 80)) };
const unnamed: readonly (Partial<PlanOptions> & { readonly why: string })[] = [
  { why: "nobody asks for names", withNames: false },
  { why: "its port is not to be had", isFree: ({ port }) => Promise.resolve(port !== 80) },
  {
    why: "one of its ports is not to be had",
    wanted: [
      { service: cart, port: 80 },
      { service: cart, port: 443 },
    ],
    isFree: ({ port }) => Promise.resolve(port !== 443),
  },
  {
    why: "the VM's own application has that port",
    definition: { ports: [tcp("http", 80)], upstreams: [] },
    before: [named80],
  },
];
for (const { why, ...options } of unnamed) {
  test(`planSidecar() gives a service no name when ${why}`, async () => {
    const { upstreams } = await plan(options);
    assert.ok(upstreams.length > 0);
    assert.ok(
      upstreams.every((one) => one.startsWith("127.0.0.1:")),
      upstreams.join(),
    );
  });
}

test("planSidecar() keeps a name whose port its own sidecar has just now", async () => {
  const { upstreams } = await plan({
    before: [named80],
    isFree: ({ port }) => Promise.resolve(port !== 80),
  });
  assert.ok(upstreams.includes(`${named(cart, 80)} shop/cart:80`));
});
