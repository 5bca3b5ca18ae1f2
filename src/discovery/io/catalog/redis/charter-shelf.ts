import { type MemberName, type MeshDomain, parseMemberName } from "../../../../mesh/ids.ts";
import type { Clock } from "../../../../mesh/ports.ts";
import type { CatalogStore, KnownCharter } from "../../../shards/store.ts";
import { type Ask, nothingForJunk, rangeOf } from "./asking.ts";
import {
  charterNumberBytes,
  charterNumberIn,
  decodeCharter,
  encodeCharter,
  maxCharterBytes,
} from "./codec.ts";
import type { HubConnection } from "./connection.ts";
import { charterIndexKey, shardKeys } from "./keys.ts";
import { listOf, type Reply } from "./replies.ts";

/** The charters in a hub: each member keeps one, an index names members that nobody knows yet. */
export interface CharterShelf {
  readonly read: CatalogStore["readCharters"];
  readonly put: CatalogStore["putCharter"];
  /** Members whose charters are looked at whatever the index says. */
  readonly know: (members: readonly MemberName[]) => void;
}

const maxIndexed = 256;
/** Strangers looked at in one go. */
const maxStrangers = 32;
/** Whole charters read in one go, highest numbers first. */
const maxCharters = 16;
/** How long a name that the index praised for nothing is passed over. */
const barrenMs = 60_000;
const maxBarren = 4096;
const maxKnown = 4096;

export function createCharterShelf(options: {
  readonly mesh: MeshDomain;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly ask: Ask;
}): CharterShelf {
  const { mesh, clock, ask } = options;
  const known = new Set<MemberName>();
  const barren = new Map<MemberName, number>();

  const isBarren = (name: MemberName): boolean => (barren.get(name) ?? 0) > clock.monotonicMs();
  const strangersAbove = async (
    connection: HubConnection,
    above: number,
  ): Promise<readonly MemberName[]> => {
    const bounds = ["+inf", `(${above}`, "LIMIT", 0, maxIndexed] as const;
    const reply = await connection
      .call(["ZREVRANGEBYSCORE", charterIndexKey(mesh), ...bounds])
      .catch(nothingForJunk);
    const names = listOf(reply).flatMap(memberNameIn);
    return names.filter((name) => !known.has(name) && !isBarren(name)).slice(0, maxStrangers);
  };
  const noteBarren = (names: readonly MemberName[]): void => {
    if (barren.size > maxBarren) barren.clear();
    for (const name of names) barren.set(name, clock.monotonicMs() + barrenMs);
  };

  return {
    read: ({ above }, signal) =>
      ask("charters", "read the charters", {
        signal,
        run: async (connection) => {
          const strangers = await strangersAbove(connection, above);
          const names = [...known, ...strangers];
          const numbers = await Promise.all(
            names.map(async (name) => {
              const { charter: key } = shardKeys(mesh, name);
              const start = await rangeOf(connection, { key, bytes: charterNumberBytes });
              return { name, key, number: charterNumberIn(start) ?? 0 };
            }),
          );
          const newer = numbers.filter(({ number }) => number > above);
          const found = new Set(newer.map(({ name }) => name));
          noteBarren(strangers.filter((name) => !found.has(name)));
          const highest = newer
            .toSorted((left, right) => right.number - left.number)
            .slice(0, maxCharters);
          const values = await Promise.all(
            highest.map(({ key }) => rangeOf(connection, { key, bytes: maxCharterBytes })),
          );
          return values
            .map(decodeCharter)
            .filter((one) => one !== undefined && one.number > above)
            .flatMap((one) => one?.charter ?? []);
        },
      }),
    put: (entry: KnownCharter, signal) =>
      ask("charters", `write the charter of "${entry.member}"`, {
        signal,
        run: async (connection) => {
          const { charter } = shardKeys(mesh, entry.member);
          await Promise.all([
            connection.call(["SET", charter, encodeCharter(entry)]),
            connection
              .call(["ZADD", charterIndexKey(mesh), entry.number, entry.member])
              .catch(nothingForJunk),
          ]);
        },
      }),
    know: (members) => {
      if (known.size > maxKnown) known.clear();
      for (const member of members) known.add(member);
    },
  };
}

function memberNameIn(reply: Reply): readonly MemberName[] {
  try {
    return [parseMemberName(String(reply))];
  } catch {
    return [];
  }
}
