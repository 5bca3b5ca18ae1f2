import { realClock, realTimers } from "../../../src/app/real-time.ts";
import type { CatalogEvent } from "../../../src/discovery/follow/catalog-event.ts";
import type { Catalog } from "../../../src/discovery/io/catalog/catalog-client.ts";
import { createCatalog } from "../../../src/discovery/io/catalog/catalog-client.ts";
import { exportOf } from "../../../src/discovery/publish/export-records.ts";
import type { ServiceRecord } from "../../../src/discovery/shards/records.ts";
import type { SnapshotStore } from "../../../src/discovery/shards/snapshot-store.ts";
import type { CatalogStore } from "../../../src/discovery/shards/store.ts";
import type { Timers } from "../../../src/discovery/timers.ts";
import type { Charter } from "../../../src/mesh/charter.ts";
import type { MemberName, ServiceId } from "../../../src/mesh/ids.ts";
import { trustDomainOf } from "../../../src/mesh/ids.ts";
import type { Clock, Log } from "../../../src/mesh/ports.ts";
import type { LocalService } from "../../../src/mesh/service.ts";
import { anyClaim, type FakeTrust } from "../../discovery/support/fake-trust.ts";
import {
  endpointOf,
  mesh,
  serviceOf,
  signedCharterOf,
  silentLog,
} from "../../discovery/support/made.ts";
import { createMemoryDisk } from "../../discovery/support/memory-disk.ts";

/** What the agents of one member are for: services that exist while the agents come and go. */
export interface Site {
  readonly member: MemberName;
  /** What is true there, and so what others must come to know. */
  readonly services: Map<ServiceId, LocalService>;
  readonly catalog: () => Catalog;
  readonly isAlive: () => boolean;
  readonly start: (how?: Life) => Promise<void>;
  /** In good order. */
  readonly stop: () => Promise<void>;
  /** As `kill -9`: nothing more is said or saved. */
  readonly kill: () => Promise<void>;
  /** One service changes so that nobody may wait with it. */
  readonly change: () => LocalService;
  /** Tells the agent, if one runs, of a service that changed. */
  readonly hear: (service: LocalService) => void;
}

export interface Life {
  /** False: its copies on disk are gone, as is who it was. */
  readonly withDisk?: boolean;
  readonly clock?: Clock;
}

export interface SiteOptions {
  readonly member: MemberName;
  readonly charter: Charter;
  readonly trust: FakeTrust;
  readonly services: number;
  /** Opened anew for every life. */
  readonly stores: () => readonly CatalogStore[];
  readonly onEvent: (event: CatalogEvent, catalog: Catalog) => void;
  readonly log?: Log;
  /** Of another agent of the same member: both have the same to say. */
  readonly sameAs?: Site;
}

/** As agents have it by default. */
export const leaseMs = 10_000;

export function createSite(options: SiteOptions): Site {
  const { member, charter, trust } = options;
  const services = options.sameAs?.services ?? firstServices(options.services);
  let disk = createMemoryDisk();
  let life: { readonly catalog: Catalog; readonly die: () => Promise<void> } | undefined;

  const start = async (how: Life = {}): Promise<void> => {
    if (how.withDisk === false) disk = createMemoryDisk();
    const death = new AbortController();
    const stores = options.stores().map((store) => mortal(store, death.signal));
    const catalog = createCatalog({
      member,
      charter,
      signedCharter: signedCharterOf(charter),
      stores,
      sign: trust.signFor(member),
      verify: trust.verify,
      checkClaim: anyClaim,
      clock: how.clock ?? realClock,
      timers: mortalTimers(death.signal),
      random: Math.random,
      log: options.log ?? silentLog,
      software: "0.1.0",
      leaseMs,
      snapshots: mortalDisk(disk, death.signal),
      onEvent: (event) => {
        if (!death.signal.aborted) options.onEvent(event, catalog);
      },
    });
    life = {
      catalog,
      die: async () => {
        death.abort(new Error("killed"));
        await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
      },
    };
    catalog.publishMember({ gateways: [] });
    catalog.publishAll([...services.values()]);
    await catalog.start(death.signal);
  };
  const living = (): NonNullable<typeof life> => {
    if (life === undefined) throw new Error(`${member} does not run`);
    return life;
  };

  const hear = (service: LocalService): void => {
    life?.catalog.publish({ upserts: [service], removed: [] });
  };

  return {
    member,
    services,
    catalog: () => living().catalog,
    isAlive: () => life !== undefined,
    start,
    stop: async () => {
      const { catalog } = living();
      life = undefined;
      await catalog[Symbol.asyncDispose]();
    },
    kill: async () => {
      const { die } = living();
      life = undefined;
      await die();
    },
    change: () => {
      const version = newestIn(services) + 1;
      const service = versionOf(version % options.services, version);
      services.set(service.id, service);
      hear(service);
      return service;
    },
    hear,
  };
}

function firstServices(count: number): Map<ServiceId, LocalService> {
  const services = Array.from({ length: count }, (_, index) => versionOf(index, 1));
  return new Map(services.map((service) => [service.id, service]));
}

function newestIn(services: ReadonlyMap<ServiceId, LocalService>): number {
  return Math.max(...[...services.values()].map(({ exported }) => exported?.createdAtMs ?? 0));
}

/** What a site's services look like to others. */
export function recordsOf(site: Pick<Site, "member" | "services">): readonly ServiceRecord[] {
  const options = { trustDomain: trustDomainOf(site.member, mesh), isNetworkShared: false };
  return [...site.services.values()].flatMap((one) => exportOf(one, options)?.record ?? []);
}

/** A service whose definition tells its version: such a change never waits. */
function versionOf(index: number, version: number): LocalService {
  return {
    ...serviceOf(`shop/s-${index}`),
    exported: { createdAtMs: version },
    endpoints: [endpointOf(1), endpointOf(2, { zone: "b" })],
  };
}

/** A dead process gets no answers and asks nothing. */
function mortal(store: CatalogStore, death: AbortSignal): CatalogStore {
  const whileAlive = <Result>(signal: AbortSignal, run: (own: AbortSignal) => Promise<Result>) =>
    run(AbortSignal.any([signal, death]));
  return {
    name: store.name,
    publish: (write, signal) => whileAlive(signal, (own) => store.publish(write, own)),
    readSnapshot: (member, signal) => whileAlive(signal, (own) => store.readSnapshot(member, own)),
    readHeads: (members, asked) =>
      whileAlive(asked.signal, (own) => store.readHeads(members, { ...asked, signal: own })),
    readLog: (cursors, { waitMs, signal }) =>
      whileAlive(signal, (own) => store.readLog(cursors, { waitMs, signal: own })),
    readCharters: (above, signal) => whileAlive(signal, (own) => store.readCharters(above, own)),
    putCharter: (entry, signal) => whileAlive(signal, (own) => store.putCharter(entry, own)),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function mortalTimers(death: AbortSignal): Timers {
  return {
    after: (delayMs, run) =>
      realTimers.after(delayMs, () => {
        if (!death.aborted) run();
      }),
  };
}

function mortalDisk(disk: SnapshotStore, death: AbortSignal): SnapshotStore {
  const ifAlive = async (run: () => Promise<void>): Promise<void> => {
    if (!death.aborted) await run();
  };
  return {
    ...disk,
    save: (member, copy) => ifAlive(() => disk.save(member, copy)),
    remove: (member) => ifAlive(() => disk.remove(member)),
    saveWriter: (memory) => ifAlive(() => disk.saveWriter(memory)),
  };
}
