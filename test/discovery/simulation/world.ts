import assert from "node:assert/strict";
import type { CatalogEvent } from "../../../src/discovery/follow/catalog-event.ts";
import type { Catalog } from "../../../src/discovery/io/catalog/catalog-client.ts";
import { createCatalog } from "../../../src/discovery/io/catalog/catalog-client.ts";
import type { SnapshotStore } from "../../../src/discovery/shards/snapshot-store.ts";
import type { Timers } from "../../../src/discovery/timers.ts";
import { reasonOf } from "../../../src/mesh/errors.ts";
import type { MemberName, ServiceId } from "../../../src/mesh/ids.ts";
import { parseMemberName } from "../../../src/mesh/ids.ts";
import type { LocalService } from "../../../src/mesh/service.ts";
import { anyClaim, createFakeTrust } from "../support/fake-trust.ts";
import {
  charterOf,
  endpointOf,
  mesh,
  serviceOf,
  signedCharterOf,
  silentLog,
} from "../support/made.ts";
import { createMemoryDisk } from "../support/memory-disk.ts";
import type { VirtualTime } from "../support/virtual-time.ts";
import { createVirtualTime } from "../support/virtual-time.ts";
import type { Chance } from "./chance.ts";
import { createChance } from "./chance.ts";
import type { FaultyHub } from "./faulty-hub.ts";
import { createFaultyHub, fair } from "./faulty-hub.ts";
import { createOracle } from "./oracle.ts";

/** Short, so that a minute of virtual time holds many renewals. */
export const leaseMs = 3000;

/** One life of one agent. */
interface Life {
  readonly name: string;
  readonly catalog: Catalog;
  readonly positions: Map<MemberName, { epoch: number; seq: number }>;
  isDead: boolean;
}

/** A site: its services go on existing while its agents come and go. Two replicas are two sites. */
export interface Site {
  readonly member: MemberName;
  /** A second agent of the same member may be refused. */
  readonly isReplica: boolean;
  readonly services: Map<ServiceId, LocalService>;
  readonly disk: SnapshotStore;
  life: Life | undefined;
}

export interface World {
  readonly chance: Chance;
  readonly time: VirtualTime;
  readonly sites: readonly Site[];
  readonly hubs: readonly FaultyHub[];
  readonly start: (site: Site, options: { readonly withDisk: boolean }) => void;
  /** As `kill -9`: nothing is said, nothing is saved. */
  readonly kill: (site: Site) => void;
  readonly publish: (site: Site, change: { upsert?: LocalService; removed?: ServiceId }) => void;
  readonly heal: () => void;
  readonly close: () => Promise<void>;
  /** What went wrong inside callbacks, where a throw would be swallowed. */
  readonly failures: readonly string[];
}

export function createWorld(
  seed: number,
  size: { readonly members: number; readonly hubs: number; readonly isFirstDoubled: boolean },
): World {
  const chance = createChance(seed);
  const time = createVirtualTime();
  const trust = createFakeTrust(mesh);
  const oracle = createOracle();
  const failures: string[] = [];
  const members = Array.from({ length: size.members }, (_, index) => parseMemberName(`m-${index}`));
  const charter = charterOf(members);
  const hubs = Array.from({ length: size.hubs }, (_, index) =>
    createFaultyHub({ name: `hub-${index}`, timers: time.timers, chance, oracle }),
  );
  const singles = members.map((member): Site => {
    const services = Array.from({ length: 1 + chance.below(4) }, (_, index) =>
      serviceWith(chance, `shop/s-${index}`),
    );
    return {
      member,
      isReplica: false,
      services: new Map(services.map((service) => [service.id, service])),
      disk: createMemoryDisk(),
      life: undefined,
    };
  });
  const [first] = singles;
  const replica = first && { ...first, isReplica: true, disk: createMemoryDisk() };
  const sites = replica !== undefined && size.isFirstDoubled ? [...singles, replica] : singles;
  let lives = 0;

  const guard = (check: () => void): void => {
    try {
      check();
    } catch (thrown) {
      failures.push(reasonOf(thrown));
    }
  };
  const onEvent = (life: Life, event: CatalogEvent): void =>
    guard(() => {
      assert.notEqual(event.t, "gone", "a member vanished without a charter");
      if (event.t !== "shard") return;
      const { member } = event;
      const content = life.catalog.shard(member);
      const position = life.catalog.memberStatus().find((one) => one.member === member)?.position;
      assert.ok(content && position);
      const before = life.positions.get(member);
      const isBack =
        before !== undefined &&
        (position.epoch < before.epoch ||
          (position.epoch === before.epoch && position.seq < before.seq));
      assert.ok(!isBack, `${life.name} went back on ${member}`);
      life.positions.set(member, position);
      oracle.check(member, { position, content });
    });

  const start = (site: Site, { withDisk }: { readonly withDisk: boolean }): void => {
    lives += 1;
    const name = `${site.member}#${lives}`;
    const life: Life = {
      name,
      positions: new Map(),
      isDead: false,
      catalog: createCatalog({
        member: site.member,
        charter,
        signedCharter: signedCharterOf(charter),
        stores: hubs.map((hub) => hub.connect(name)),
        sign: trust.signFor(site.member),
        verify: trust.verify,
        checkClaim: anyClaim,
        clock: time.clock,
        timers: timersOf(time.timers, () => life.isDead),
        random: chance.next,
        log: silentLog,
        software: "0.1.0",
        leaseMs,
        timeoutMs: 1000,
        ...(withDisk ? { snapshots: site.disk } : {}),
        onEvent: (event) => onEvent(life, event),
      }),
    };
    site.life = life;
    const { catalog } = life;
    catalog.publishAll([...site.services.values()]);
    // An agent whose name is taken goes away; its site tries again when it heals.
    catalog.start(new AbortController().signal).catch(() => {
      life.isDead = true;
      if (site.life === life) site.life = undefined;
    });
  };

  return {
    chance,
    time,
    sites,
    hubs,
    failures,
    start,
    kill: (site) => {
      const { life } = site;
      if (life === undefined) return;
      life.isDead = true;
      for (const hub of hubs) hub.cutOff.add(life.name);
      site.life = undefined;
    },
    publish: (site, { upsert, removed }) => {
      if (upsert !== undefined) site.services.set(upsert.id, upsert);
      if (removed !== undefined) site.services.delete(removed);
      for (const { life } of sites.filter((one) => one.member === site.member)) {
        life?.catalog.publish({
          upserts: upsert === undefined ? [] : [upsert],
          removed: removed === undefined ? [] : [removed],
        });
      }
    },
    heal: () => {
      for (const hub of hubs) {
        Object.assign(hub.weather, fair);
        const dead = [...hub.cutOff].filter(
          (name) => !sites.some((one) => one.life?.name === name),
        );
        hub.cutOff.clear();
        for (const name of dead) hub.cutOff.add(name);
      }
      for (const site of sites) if (site.life === undefined) start(site, { withDisk: true });
    },
    close: async () => {
      const living = sites.flatMap((site) => site.life?.catalog ?? []);
      await time.until(Promise.all(living.map((one) => one[Symbol.asyncDispose]())));
    },
  };
}

export function serviceWith(chance: Chance, id: string): LocalService {
  const endpoints = Array.from({ length: chance.below(4) }, (_, index) =>
    endpointOf(index + 1, {
      health: chance.pick(["healthy", "healthy", "unhealthy", "draining"]),
      zone: chance.pick(["a", "b"]),
    }),
  );
  return { ...serviceOf(id), endpoints };
}

function timersOf(timers: Timers, isDead: () => boolean): Timers {
  return {
    after: (delayMs, run) =>
      timers.after(delayMs, () => {
        if (!isDead()) run();
      }),
  };
}
