import { charterIndexKey } from "../../../discovery/io/catalog/redis/keys.ts";
import type { MemberName, MeshDomain } from "../../../mesh/ids.ts";
import type { HubConfig } from "../../config/config.ts";
import { presentIn, scanHeads } from "../check/ask-content.ts";
import { tell } from "../check/ask-node.ts";
import { findPrimary } from "../check/find-primary.ts";
import { openDoors } from "../hub-doors.ts";

/** What stands in a hub that the store, which only hands out shards, does not show. */
export interface HubPeek {
  /** Of the members asked for: those under whose name there is anything. */
  readonly present: ReadonlySet<MemberName>;
  /** Members by their keys, whoever they are; empty where a login may not look for keys. */
  readonly named: readonly MemberName[];
}

const nothing: HubPeek = { present: new Set(), named: [] };

/** Whoever cannot be asked shows nothing: the store says why. */
export async function peekHub(
  hub: HubConfig,
  about: { readonly mesh: MeshDomain; readonly members: readonly MemberName[] },
): Promise<HubPeek> {
  const { mesh, members } = about;
  const peek = await tell(async () => {
    const found = await findPrimary(await openDoors(hub), charterIndexKey(mesh));
    if (found.t === "failed") return nothing;
    using node = found.node;
    const present = await presentIn(node, mesh, members);
    const scanned = await tell(() => scanHeads(node, mesh));
    const named = scanned.t === "told" ? (scanned.value.get(mesh) ?? []) : [];
    return { present, named };
  });
  return peek.t === "told" ? peek.value : nothing;
}
