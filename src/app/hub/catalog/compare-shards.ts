import type { Head } from "../../../discovery/shards/head.ts";
import type { RawRecords } from "../../../discovery/shards/store.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import { visible } from "../../../mesh/visible.ts";
import type { HubFinding } from "../hub-finding.ts";
import { catalogFinding } from "./catalog-finding.ts";
import type { ShardView } from "./shard-view.ts";

/** One hub's copy of a shard. */
export interface HubCopy {
  readonly hub: string;
  readonly view: ShardView;
  readonly content: RawRecords | undefined;
}

/** Hubs hold copies of one shard: where they differ, one is behind or somebody changed it. */
export function compareShards(
  member: MemberName,
  copies: readonly HubCopy[],
): readonly HubFinding[] {
  const good = copies.filter(({ view }) => view.state === "fits" || view.state === "partly");
  const newest = newestHead(good);
  if (newest === undefined) return [];
  return copies.flatMap((copy): readonly HubFinding[] => {
    const subject = `${copy.hub} ${member}`;
    const { head, state } = copy.view;
    if (state === "unfit") return unfitAgainst(subject, copy, good);
    if (state === "refused" || head === undefined) return [];
    const isSamePlace = head.epoch === newest.epoch && head.seq === newest.seq;
    const at = `epoch ${head.epoch} seq ${head.seq}`;
    if (isSamePlace && head.digest !== newest.digest) {
      const message = `it holds another content of ${at} than other hubs`;
      return [catalogFinding("CATALOG_SHARD_CONFLICT", "error", { subject, message })];
    }
    if (isSamePlace) return [];
    const message = `it holds ${at}, another hub epoch ${newest.epoch} seq ${newest.seq}`;
    return [catalogFinding("CATALOG_HUB_BEHIND", "warning", { subject, message })];
  });
}

function newestHead(copies: readonly HubCopy[]): Head | undefined {
  const heads = copies.flatMap(({ view: { head } }) => (head === undefined ? [] : [head]));
  return heads.toSorted((left, right) => right.epoch - left.epoch || right.seq - left.seq)[0];
}

const maxNamedKeys = 5;

/** A digest says that something is wrong; a hub whose copy fits says what. */
function unfitAgainst(
  subject: string,
  copy: HubCopy,
  good: readonly HubCopy[],
): readonly HubFinding[] {
  const twin = good.find(({ view }) => view.head?.digest === copy.view.head?.digest);
  if (twin?.content === undefined || copy.content === undefined) return [];
  const keys = differingKeys(copy.content, twin.content);
  const named = keys.slice(0, maxNamedKeys).map((key) => `"${visible(key, 80)}"`);
  const more = keys.length > maxNamedKeys ? ` and ${keys.length - maxNamedKeys} more` : "";
  const message = `against ${twin.hub}, these records differ: ${named.join(", ")}${more}`;
  return [catalogFinding("CATALOG_SHARD_UNFIT", "error", { subject, message })];
}

function differingKeys(left: RawRecords, right: RawRecords): readonly string[] {
  const keys = new Set([...left.keys(), ...right.keys()]);
  return [...keys].filter((key) => {
    const [one, other] = [left.get(key), right.get(key)];
    return one === undefined || other === undefined || Buffer.compare(one, other) !== 0;
  });
}
