import type { Catalog } from "../../../discovery/io/catalog/catalog-client.ts";
import type { OwnWords } from "../../../discovery/io/catalog/own-publisher.ts";
import type { MemberRecord } from "../../../discovery/shards/records.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { GatewayAddress } from "../../config/config.ts";
import { DrainConfirmations } from "./drain-confirmations.ts";
import { OwnGateways } from "./own-gateways.ts";

export interface GatewayDrainsOptions {
  readonly self: MemberName;
  /** Undefined: they are followed. */
  readonly addresses: readonly GatewayAddress[] | undefined;
  readonly catalog: Pick<Catalog, "members" | "memberStatus" | "shard" | "writerStatus">;
  /** Whether all that is known has been made into resources. */
  readonly isBuilt: () => boolean;
  /** Node ids of the proxies that have not answered all they were sent. */
  readonly unansweredBy: () => ReadonlySet<string>;
  /** The own member record has something new to say. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Both ends of a gateway's goodbye. A passthrough cannot say GOAWAY: its member publishes DRAINING, the
 * others confirm in their own member records, and then it may close its door.
 */
export class GatewayDrains implements Disposable {
  readonly own: OwnGateways;
  readonly #confirmations: DrainConfirmations;

  constructor(options: GatewayDrainsOptions) {
    const { self, catalog, onChange } = options;
    const recordOf = (member: MemberName): MemberRecord | undefined =>
      catalog.shard(member)?.memberRecord();
    this.own = new OwnGateways({
      ...options,
      // Whoever is silent cannot confirm: connections it sends nevertheless are tried elsewhere.
      others: () =>
        catalog
          .memberStatus()
          .filter(({ lease, position }) => lease === "live" && position !== undefined)
          .map(({ member }) => member),
      hasConfirmed: (member, { address, drain }) =>
        recordOf(member)?.drained?.some(
          (one) => one.member === self && one.gateway === address && one.drain === drain,
        ) === true,
      isWriter: () => {
        const writer = catalog.writerStatus();
        return writer !== undefined && writer.fencedBy === undefined && !writer.isStandby;
      },
    });
    this.#confirmations = new DrainConfirmations({
      ...options,
      members: () => catalog.members(),
      recordOf,
      onChange,
    });
  }

  /** What the member record says of gateways. */
  record(): Pick<OwnWords, "gateways" | "drained"> {
    const drained = this.#confirmations.confirmed();
    return { gateways: this.own.records(), ...(drained.length === 0 ? {} : { drained }) };
  }

  /** Some member's record, or its lease, changed. */
  refresh(): void {
    this.#confirmations.refresh();
    this.own.look();
  }

  [Symbol.dispose](): void {
    this.#confirmations[Symbol.dispose]();
  }
}
