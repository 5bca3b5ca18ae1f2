import type { SignedCharter } from "../../mesh/charter.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Lease } from "../members/member-state.ts";
import type { ContentChange } from "./shard-content.ts";

/** What an agent hears from its catalog. */
export type CatalogEvent =
  /** Content of a remote shard changed; `Catalog.shard` has it. */
  | { readonly t: "shard"; readonly member: MemberName; readonly change: ContentChange }
  /** The charter denies that member or names it no more: all of it is to be forgotten. */
  | { readonly t: "gone"; readonly member: MemberName }
  | { readonly t: "lease"; readonly member: MemberName; readonly lease: Lease }
  /** Hubs hold charters that claim to be newer; to be verified, then given to `setCharter`. */
  | { readonly t: "charters"; readonly charters: readonly SignedCharter[] };
