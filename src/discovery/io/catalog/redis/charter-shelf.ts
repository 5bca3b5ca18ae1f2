import { type MemberName, type MeshDomain, parseMemberName } from "../../../../mesh/ids.ts";
import type { CatalogStore, KnownCharter } from "../../../shards/store.ts";
import { type Ask, nothingForJunk, rangeOf } from "./asking.ts";
import {
  charterNumberBytes,
  charterNumberIn,
  decodeCharter,
  encodeCharter,
  maxCharterBytes,
} from "./codec.ts";
import { charterIndexKey, shardKeys } from "./keys.ts";
import type { HubConnection } from "./link/connection.ts";
import { listOf, type Reply } from "./replies.ts";
import { scriptOn } from "./script-sender.ts";
import { newerChartersScript } from "./scripts.ts";

/** The charters in a hub: each member keeps one, an index names members that nobody knows yet. */
export interface CharterShelf {
  readonly read: CatalogStore["readCharters"];
  readonly put: CatalogStore["putCharter"];
  /** Members whose charters are looked at whatever the index says. */
  readonly know: (members: readonly MemberName[]) => void;
}

/** Of the index; the next call looks at the next page, so that no flood of names hides one for ever. */
const pageSize = 256;
/** Whole charters read in one go, highest numbers first. */
const maxCharters = 16;
const maxKnown = 4096;

export function createCharterShelf(options: {
  readonly mesh: MeshDomain;
  readonly ask: Ask;
}): CharterShelf {
  const { mesh, ask } = options;
  const known = new Set<MemberName>();
  const newer = scriptOn(newerChartersScript, "_RO");
  let page = 0;

  const strangersAbove = async (
    connection: HubConnection,
    above: number,
  ): Promise<readonly MemberName[]> => {
    const bounds = ["+inf", `(${above}`, "LIMIT", page * pageSize, pageSize] as const;
    const reply = await connection
      .call(["ZREVRANGEBYSCORE", charterIndexKey(mesh), ...bounds])
      .catch(nothingForJunk);
    const names = listOf(reply);
    page = names.length === pageSize ? page + 1 : 0;
    return names.flatMap(memberNameIn).filter((name) => !known.has(name));
  };
  const newerOf = async (
    connection: HubConnection,
    { names, above }: { readonly names: readonly MemberName[]; readonly above: number },
  ): Promise<readonly { readonly key: string; readonly number: number }[]> => {
    const keys = names.map((name) => shardKeys(mesh, name).charter);
    const flat = listOf(await newer(connection)(keys, [above, charterNumberBytes]));
    return flat.flatMap((place, at) => {
      const key = typeof place === "number" ? keys[place - 1] : undefined;
      const start = flat[at + 1];
      if (key === undefined || !Buffer.isBuffer(start)) return [];
      const number = charterNumberIn(start) ?? 0;
      return number > above ? [{ key, number }] : [];
    });
  };
  const enlist = async (connection: HubConnection, entry: KnownCharter): Promise<void> => {
    const key = charterIndexKey(mesh);
    const command = ["ZADD", key, entry.number, entry.member] as const;
    const added = await connection.call(command).catch(nothingForJunk);
    if (added !== null) return;
    // Somebody put something else there; it belongs to all, so anybody may put that right.
    await connection.call(["DEL", key]);
    await connection.call(command);
  };

  return {
    read: ({ above }, signal) =>
      ask("charters", "read the charters", {
        signal,
        run: async (connection) => {
          const strangers = await strangersAbove(connection, above);
          const names = [...known, ...strangers];
          const highest = (await newerOf(connection, { names, above }))
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
            enlist(connection, entry),
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
