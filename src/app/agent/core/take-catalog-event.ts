import type { CatalogEvent } from "../../../discovery/follow/catalog-event.ts";
import type { MeshView } from "../../../discovery/merge/mesh-view.ts";
import type { SignedCharter } from "../../../mesh/charter.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { GatewayDrains } from "../gateways/gateway-drains.ts";
import type { LoadIntake } from "../load/load-intake.ts";
import type { Neighbours } from "./neighbours.ts";

/** Tells everyone in the agent what the hubs have told it. */
export function takeCatalogEvent(
  event: CatalogEvent,
  {
    core,
    build,
    buildSoon,
  }: {
    readonly core: {
      readonly mesh: MeshView;
      readonly neighbours: Neighbours;
      readonly drains: GatewayDrains;
      readonly load: LoadIntake;
      offerCharter(signed: SignedCharter): unknown;
    };
    readonly build: (ids: Iterable<ServiceId>) => void;
    readonly buildSoon: () => void;
  },
): void {
  switch (event.t) {
    case "shard":
      build(core.mesh.applyShard(event.member, event.change));
      // When all that was read from the hub is applied, and before it is asked for more.
      buildSoon();
      if (!event.change.isMemberChanged) return;
      core.neighbours.refresh();
      return core.drains.refresh();
    case "lease":
      core.neighbours.setLease(event.member, event.lease);
      return core.drains.refresh();
    case "gone":
      build(core.mesh.dropMember(event.member));
      core.load.forget(event.member);
      core.neighbours.forget(event.member);
      return core.drains.refresh();
    case "charters":
      for (const signed of event.charters) core.offerCharter(signed);
      return;
  }
}
