import type { CatalogEvent } from "../../../src/discovery/follow/catalog-event.ts";
import type { Catalog, CatalogOptions } from "../../../src/discovery/io/catalog/catalog-client.ts";
import { createCatalog } from "../../../src/discovery/io/catalog/catalog-client.ts";
import type { MemberName, ServiceId } from "../../../src/mesh/ids.ts";
import { parseServiceId } from "../../../src/mesh/ids.ts";
import type { LocalService } from "../../../src/mesh/service.ts";
import { createChance } from "../simulation/chance.ts";
import type { FaultyHub } from "../simulation/faulty-hub.ts";
import { createFaultyHub } from "../simulation/faulty-hub.ts";
import { createOracle } from "../simulation/oracle.ts";
import type { FakeTrust } from "./fake-trust.ts";
import { anyClaim, createFakeTrust } from "./fake-trust.ts";
import { charterOf, east, mesh, serviceOf, signedCharterOf, silentLog, west } from "./made.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { createVirtualTime } from "./virtual-time.ts";

export const cart: ServiceId = parseServiceId("shop/cart");
const never = new AbortController().signal;
export const leaseMs: number = 10_000;
export const renewMs: number = leaseMs / 3.3;

export interface World {
  readonly time: VirtualTime;
  readonly trust: FakeTrust;
  readonly hubs: readonly [FaultyHub, FaultyHub];
  /** Further hubs, for those who need more than two. */
  readonly moreHubs: (count: number) => readonly FaultyHub[];
  /** An agent on the first hub unless told otherwise; not started. */
  readonly agent: (member: MemberName, change?: AgentChange) => Agent;
  /** Two agents that run and see each other. */
  readonly pair: () => Promise<readonly [Agent, Agent]>;
}

export interface AgentChange extends Partial<Omit<CatalogOptions, "stores">> {
  readonly hubs?: readonly FaultyHub[];
}

export interface Agent {
  readonly name: string;
  readonly catalog: Catalog;
  readonly events: CatalogEvent[];
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  const time = createVirtualTime();
  const trust = createFakeTrust(mesh);
  const hubOptions = { timers: time.timers, chance: createChance(1), oracle: createOracle() };
  const hubs = [
    createFaultyHub({ name: "hub-1", ...hubOptions }),
    createFaultyHub({ name: "hub-2", ...hubOptions }),
  ] as const;
  const running = new Map<string, Catalog>();
  const agent = (member: MemberName, change: AgentChange = {}): Agent => {
    const events: CatalogEvent[] = [];
    const name = `${member}#${running.size}`;
    const { hubs: own = [hubs[0]], ...rest } = change;
    const charter = charterOf([east, west]);
    const catalog = createCatalog({
      member,
      charter,
      signedCharter: signedCharterOf(charter),
      stores: own.map((hub) => hub.connect(name)),
      sign: trust.signFor(member),
      verify: trust.verify,
      checkClaim: anyClaim,
      clock: time.clock,
      timers: time.timers,
      random: () => 0.5,
      log: silentLog,
      software: "0.1.0",
      leaseMs,
      onEvent: (event) => void events.push(event),
      ...rest,
    });
    running.set(name, catalog);
    return {
      name,
      catalog,
      events,
      start: async () => time.until(catalog.start(never)),
      stop: async () => {
        running.delete(name);
        await time.until(catalog[Symbol.asyncDispose]());
      },
    };
  };
  const pair = async (): Promise<readonly [Agent, Agent]> => {
    const agents = [agent(east), agent(west)] as const;
    for (const one of agents) {
      await one.start();
      one.catalog.publishAll([serviceOf("shop/cart")]);
    }
    await time.advance(100);
    return agents;
  };
  try {
    const moreHubs = (count: number): readonly FaultyHub[] =>
      Array.from({ length: count }, (_, index) =>
        createFaultyHub({ name: `hub-${index + 3}`, ...hubOptions }),
      );
    await run({ time, trust, hubs, moreHubs, agent, pair });
  } finally {
    const all = [...running.values()].map((one) => one[Symbol.asyncDispose]());
    await time.until(Promise.all(all));
  }
}

export function healthyAt(agent: Agent, member: MemberName): number | undefined {
  return agent.catalog.shard(member)?.service(cart)?.zones[0]?.healthy;
}

export function change(agent: Agent, service: LocalService): void {
  agent.catalog.publish({ upserts: [service], removed: [] });
}

export function leasesOf(agent: Agent): readonly string[] {
  return agent.events.flatMap((event) => (event.t === "lease" ? [event.lease] : []));
}

export function codesOf(agent: Agent): readonly string[] {
  return agent.catalog.findings().map((finding) => finding.code);
}
