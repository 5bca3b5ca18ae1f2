import { setTimeout as wait } from "node:timers/promises";
import { realClock } from "../../../src/app/real-time.ts";
import type { CatalogEvent } from "../../../src/discovery/follow/catalog-event.ts";
import { createRemoteShard } from "../../../src/discovery/follow/remote-shard.ts";
import type { ShardContent } from "../../../src/discovery/follow/shard-content.ts";
import type { Catalog } from "../../../src/discovery/io/catalog/catalog-client.ts";
import type { CatalogStore } from "../../../src/discovery/shards/store.ts";
import type { MemberName } from "../../../src/mesh/ids.ts";
import type { Log } from "../../../src/mesh/ports.ts";
import { anyClaim, createFakeTrust, type FakeTrust } from "../../discovery/support/fake-trust.ts";
import { charterOf, east, mesh, south, west } from "../../discovery/support/made.ts";
import type { Struck } from "./fault.ts";
import { createSite, recordsOf, type Site } from "./site.ts";

/** One hub as the sites of a federation and the judge of the test reach it. */
export interface FaultHub {
  /** A connection of its own for each life of a member's agent. */
  readonly connect: (member: MemberName) => CatalogStore;
  /** The judge's way, which no fault disturbs. */
  readonly judge: CatalogStore;
  /** Another connection that no fault disturbs. */
  readonly direct: () => CatalogStore;
}

/** A few members with steady changes, and the judge of what each knows of the others. */
export interface Federation extends Struck, AsyncDisposable {
  readonly sites: readonly Site[];
  readonly trust: FakeTrust;
  /** Another agent of a site's member, not started, on these of the hubs. It ends with the rest. */
  readonly rival: (site: Site, hubs?: readonly number[]) => Site;
  /** Resolves when all other members know what this site says now. */
  readonly untilKnown: (site: Site) => Promise<void>;
}

const servicesPerSite = 20;
const patienceMs = 30_000;

export async function openFederation(options: {
  readonly hubs: readonly FaultHub[];
  readonly members?: readonly MemberName[];
  readonly log?: Log;
}): Promise<Federation> {
  const { hubs, members = [east, west, south] } = options;
  const trust = createFakeTrust(mesh);
  const charter = charterOf(members);
  const wronglyRemoved: string[] = [];
  const wentBack: string[] = [];
  const siteOn = (
    own: readonly FaultHub[],
    of: { readonly member: MemberName; readonly sameAs?: Site },
  ): Site =>
    createSite({
      ...of,
      charter,
      trust,
      services: servicesPerSite,
      ...(options.log === undefined ? {} : { log: options.log }),
      stores: () => own.map((hub) => hub.connect(of.member)),
      onEvent: createWatch({ reader: of.member, sites: () => sites, wronglyRemoved, wentBack }),
    });
  const sites: readonly Site[] = members.map((member) => siteOn(hubs, { member }));
  const rivals: Site[] = [];
  let changes = 0;
  let timer: NodeJS.Timeout | undefined;

  const inHubs = async (): Promise<readonly string[]> => {
    const found = hubs.map(async ({ judge }) => {
      const shards = sites.map((writer) => hubDifferences(judge, { writer, trust }));
      return (await Promise.all(shards)).flat();
    });
    return (await Promise.all(found)).flat();
  };
  /** All agents of a member watch the same sources. */
  const changeEach = (): void => {
    for (const site of sites) {
      const service = site.change();
      for (const rival of rivals) if (rival.member === site.member) rival.hear(service);
    }
  };
  const unknownOf = (writer: Site): readonly string[] =>
    sites
      .filter(({ member }) => member !== writer.member)
      .flatMap((reader) => {
        const content = reader.catalog().shard(writer.member);
        return differencesOf(writer, content, reader.member);
      });
  const inReaders = (): readonly string[] =>
    sites.flatMap((reader) => {
      if (!reader.isAlive()) return [`${reader.member} does not run`];
      const writers = sites.filter((one) => one !== reader);
      return writers.flatMap((writer) =>
        differencesOf(writer, reader.catalog().shard(writer.member), `${reader.member}`),
      );
    });

  await Promise.all(sites.map((site) => site.start()));
  return {
    sites,
    trust,
    rival: (site, on) => {
      const own = on === undefined ? hubs : hubs.filter((_, index) => on.includes(index));
      const connected = own.map((hub) => ({ ...hub, connect: () => hub.direct() }));
      const rival = siteOn(connected, { member: site.member, sameAs: site });
      rivals.push(rival);
      return rival;
    },
    untilKnown: async (site) => {
      for (const deadlineMs = performance.now() + patienceMs; ; await wait(10)) {
        const unknown = unknownOf(site);
        if (unknown.length === 0) return;
        if (performance.now() > deadlineMs) throw new Error(`Never known: ${unknown.join("; ")}`);
      }
    },
    setLoad: (changesPerSecond) => {
      clearInterval(timer);
      if (changesPerSecond === 0) return;
      timer = setInterval(() => {
        changeEach();
        changes += sites.length;
      }, 1000 / changesPerSecond);
    },
    changeAll: async () => {
      changeEach();
    },
    readerDifferences: async () => inReaders(),
    differences: async () => {
      // Readers first: they need no network, and mostly it is them that are late.
      const found = inReaders();
      return found.length > 0 ? found : inHubs();
    },
    tally: async () => ({ changes, wronglyRemoved, wentBack }),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      await Promise.all(
        [...sites, ...rivals].filter((site) => site.isAlive()).map((site) => site.stop()),
      );
      await Promise.all(hubs.map(({ judge }) => judge[Symbol.asyncDispose]()));
    },
  };
}

/** Looks at every change that a reader takes over, at the moment when it does. */
function createWatch(of: {
  readonly reader: MemberName;
  readonly sites: () => readonly Site[];
  readonly wronglyRemoved: string[];
  readonly wentBack: string[];
}): (event: CatalogEvent, catalog: Catalog) => void {
  const { reader } = of;
  const newest = new WeakMap<Catalog, Map<MemberName, number>>();
  return (event, catalog) => {
    if (event.t === "gone") of.wronglyRemoved.push(`${reader} dropped ${event.member}`);
    if (event.t !== "shard") return;
    const { member } = event;
    const writer = of.sites().find((site) => site.member === member);
    const content = catalog.shard(member);
    for (const id of event.change.services) {
      if (content?.service(id) === undefined && writer?.services.has(id) === true) {
        of.wronglyRemoved.push(`${reader} dropped ${id} of ${member}`);
      }
    }
    const version = Math.max(
      0,
      ...[...(content?.services() ?? [])].map((id) => content?.service(id)?.createdAtMs ?? 0),
    );
    const known = newest.get(catalog) ?? new Map<MemberName, number>();
    newest.set(catalog, known);
    if (version < (known.get(member) ?? 0)) {
      of.wentBack.push(`${reader} went back on ${member} to version ${version}`);
    }
    known.set(member, version);
  };
}

async function hubDifferences(
  hub: CatalogStore,
  of: { readonly writer: Site; readonly trust: FakeTrust },
): Promise<readonly string[]> {
  const { member } = of.writer;
  const where = hub.name;
  const shard = createRemoteShard({
    mesh,
    member,
    verify: of.trust.verify,
    checkClaim: anyClaim,
  });
  try {
    const snapshot = await hub.readSnapshot(member, AbortSignal.timeout(1000));
    if (snapshot === undefined) return [`${where} has nothing of ${member}`];
    const at = { nowMs: realClock.nowMs(), monotonicMs: realClock.monotonicMs() };
    const { problem } = shard.take({ t: "snapshot", snapshot }, at);
    if (problem !== undefined) return [`${where}: ${member}: ${problem.message}`];
    return differencesOf(of.writer, shard.content, where);
  } catch (thrown) {
    return [`${where} cannot be read: ${String(thrown)}`];
  }
}

function differencesOf(
  writer: Site,
  content: ShardContent | undefined,
  where: string,
): readonly string[] {
  if (content === undefined) return [`${where} has nothing of ${writer.member}`];
  const wrong = recordsOf(writer).flatMap((record) => {
    const held = content.service(record.id);
    if (held === undefined) return [`${where} lacks ${record.id} of ${writer.member}`];
    const isSame = JSON.stringify(held) === JSON.stringify(record);
    return isSame ? [] : [`${where} has an old ${record.id} of ${writer.member}`];
  });
  const extra = [...content.services()].filter((id) => !writer.services.has(id));
  return [...wrong, ...extra.map((id) => `${where} still has ${id} of ${writer.member}`)];
}
