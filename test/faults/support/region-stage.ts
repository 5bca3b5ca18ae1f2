import { fileURLToPath } from "node:url";
import {
  openRegions,
  type Region,
  type Regions,
  regionNames,
} from "../../support/regions/regions.ts";
import { ToldProcess } from "../../support/told-process.ts";
import type { Struck } from "./fault.ts";
import type { FromMember, MemberReport, ToMember } from "./region-member.ts";

type Member = ToldProcess<ToMember, FromMember>;

/** One member in each of three regions, each a process of its own. */
export interface RegionStage extends Struck, AsyncDisposable {
  readonly regions: Regions;
}

const memberFile = fileURLToPath(new URL("region-member.ts", import.meta.url));
const servicesPerMember = 20;

export async function openRegionStage(
  hubsOf: (regions: Regions) => Promise<readonly string[]>,
): Promise<RegionStage> {
  await using opened = new AsyncDisposableStack();
  const regions = opened.use(await openRegions());
  const hubs = await hubsOf(regions);
  const members = new Map<Region, Member>();
  await Promise.all(
    regionNames.map(async (region) => {
      const member: Member = opened.use(
        new ToldProcess(
          regions.spawn(region, [process.execPath, memberFile], {
            stdio: ["ignore", "ignore", "inherit", "ipc"],
          }),
        ),
      );
      members.set(region, member);
      const started = member.hear("started");
      const order = { member: region, members: regionNames, services: servicesPerMember, hubs };
      member.tell({ t: "start", order });
      await started;
    }),
  );
  const reports = async (): Promise<ReadonlyMap<Region, MemberReport>> =>
    new Map(
      await Promise.all(
        [...members].map(async ([region, member]) => {
          const heard = member.hear("report");
          member.tell({ t: "report" });
          return [region, (await heard).report] as const;
        }),
      ),
    );
  const differences = async (): Promise<readonly string[]> => differencesIn(await reports());
  const owned = opened.move();
  return {
    regions,
    setLoad: (perSecond) => {
      for (const member of members.values()) member.tell({ t: "load", perSecond });
    },
    changeAll: async () => {
      const changed = [...members.values()].map(async (member) => {
        const heard = member.hear("changed");
        member.tell({ t: "change" });
        await heard;
      });
      await Promise.all(changed);
    },
    readerDifferences: differences,
    differences,
    tally: async () => {
      const all = [...(await reports()).values()];
      return {
        changes: all.reduce((sum, one) => sum + one.changes, 0),
        wronglyRemoved: all.flatMap((one) => one.removed),
        wentBack: [],
      };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function differencesIn(reports: ReadonlyMap<Region, MemberReport>): readonly string[] {
  return [...reports].flatMap(([writer, { own }]) =>
    [...reports].flatMap(([reader, { held }]) => {
      if (reader === writer) return [];
      const known = held[writer] ?? {};
      const wrong = Object.entries(own).filter(([id, record]) => known[id] !== record);
      const extra = Object.keys(known).filter((id) => own[id] === undefined);
      return [
        ...wrong.map(([id]) => `${reader} has not ${id} of ${writer} as it is`),
        ...extra.map((id) => `${reader} still has ${id} of ${writer}`),
      ];
    }),
  );
}
