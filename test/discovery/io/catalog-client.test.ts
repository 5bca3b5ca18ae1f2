import assert from "node:assert/strict";
import { test } from "node:test";
import type { CatalogEvent } from "../../../src/discovery/catalog-event.ts";
import type { Catalog, CatalogOptions } from "../../../src/discovery/io/catalog-client.ts";
import { createCatalog } from "../../../src/discovery/io/catalog-client.ts";
import type { MemoryHub } from "../../../src/discovery/io/memory-store.ts";
import { createMemoryHub } from "../../../src/discovery/io/memory-store.ts";
import type { MemberName } from "../../../src/mesh/ids.ts";
import { parseServiceId } from "../../../src/mesh/ids.ts";
import type { FakeTrust } from "../support/fake-trust.ts";
import { anyClaim, createFakeTrust } from "../support/fake-trust.ts";
import {
  charterOf,
  east,
  mesh,
  serviceOf,
  signedCharterOf,
  silentLog,
  west,
} from "../support/made.ts";
import type { VirtualTime } from "../support/virtual-time.ts";
import { createVirtualTime } from "../support/virtual-time.ts";

const cart = parseServiceId("shop/cart");
const never = new AbortController().signal;

interface World {
  readonly time: VirtualTime;
  readonly trust: FakeTrust;
  readonly hub: MemoryHub;
  readonly agent: (member: MemberName, change?: Partial<CatalogOptions>) => Agent;
}

interface Agent {
  readonly catalog: Catalog;
  readonly events: CatalogEvent[];
}

async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  const time = createVirtualTime();
  const trust = createFakeTrust(mesh);
  const hub = createMemoryHub({ name: "hub", timers: time.timers });
  const catalogs: Catalog[] = [];
  const agent = (member: MemberName, change: Partial<CatalogOptions> = {}): Agent => {
    const events: CatalogEvent[] = [];
    const charter = charterOf([east, west]);
    const catalog = createCatalog({
      member,
      charter,
      signedCharter: signedCharterOf(charter),
      stores: [hub.connect()],
      sign: trust.signFor(member),
      verify: trust.verify,
      checkClaim: anyClaim,
      clock: time.clock,
      timers: time.timers,
      random: () => 0.5,
      log: silentLog,
      software: "0.1.0",
      onEvent: (event) => void events.push(event),
      ...change,
    });
    catalogs.push(catalog);
    return { catalog, events };
  };
  try {
    await run({ time, trust, hub, agent });
  } finally {
    await time.until(Promise.all(catalogs.map((one) => one[Symbol.asyncDispose]())));
  }
}

test("an export is in another member's shard as soon as it is written", () =>
  inWorld(async ({ time, agent }) => {
    const a = agent(east);
    const b = agent(west);
    await time.until(Promise.all([a.catalog.start(never), b.catalog.start(never)]));
    a.catalog.publishAll([serviceOf("shop/cart")]);
    await time.advance(50);
    const record = b.catalog.shard(east)?.service(cart);
    assert.deepEqual(record?.zones, [{ zone: "a", healthy: 1, total: 1 }]);
    assert.deepEqual(record?.identities, ["spiffe://east.acme.mesh/ns/shop/sa/cart"]);
  }));
