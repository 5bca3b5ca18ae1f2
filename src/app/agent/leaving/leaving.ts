import type { Catalog } from "../../../discovery/io/catalog/catalog-client.ts";
import type { OwnWords } from "../../../discovery/io/catalog/own-publisher.ts";
import { leavingGateway } from "../../../discovery/shards/records.ts";
import type { Charter } from "../../../mesh/charter.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock } from "../../../mesh/ports.ts";
import type { LocalService } from "../../../mesh/service.ts";
import type { LeaveAnswer } from "../../api-model.ts";

export interface LeavingOptions {
  readonly self: MemberName;
  readonly charter: () => Charter;
  readonly catalog: Pick<
    Catalog,
    "confirmWithdrawals" | "held" | "memberStatus" | "publish" | "shard"
  >;
  readonly services: () => readonly LocalService[];
  /** The own member record has something new to say. */
  readonly onChange: () => void;
  readonly clock: Clock;
}

/**
 * A member on its way out: nothing is exported any more, and its record says so until every other member has
 * confirmed that none of its proxies is led here. Kept in memory alone: an agent that starts again is back.
 */
export class Leaving {
  readonly #options: LeavingOptions;
  /** Larger for each leave, also after a restart. */
  #leave: number | undefined;

  constructor(options: LeavingOptions) {
    this.#options = options;
  }

  /** What others are told of these services. */
  offered(services: readonly LocalService[]): readonly LocalService[] {
    if (this.#leave === undefined) return services;
    return services.map(({ exported: _exported, ...service }) => service);
  }

  start(): void {
    if (this.#leave !== undefined) return;
    this.#leave = Math.max(1, this.#options.clock.nowMs());
    this.#tell();
  }

  /** Back again, as if nothing had been. */
  stay(): void {
    if (this.#leave === undefined) return;
    this.#leave = undefined;
    this.#tell();
  }

  /** Once a second: that all exports vanish at once is meant. */
  look(): void {
    const { catalog } = this.#options;
    if (this.#leave !== undefined && catalog.held().services.length > 0) {
      catalog.confirmWithdrawals();
    }
  }

  /** What the member record says of it. */
  record(): Pick<OwnWords, "leaving"> {
    return this.#leave === undefined ? {} : { leaving: this.#leave };
  }

  status(): LeaveAnswer {
    const { self, charter, catalog } = this.#options;
    const leases = new Map(catalog.memberStatus().map(({ member, lease }) => [member, lease]));
    const others = charter().members.filter(
      ({ name, state }) => name !== self && state !== "denied",
    );
    return {
      isLeaving: this.#leave !== undefined,
      members: others.map(({ name }) => {
        const isHeard = leases.get(name) === "live";
        return {
          name,
          state: this.#hasConfirmed(name) ? "confirmed" : isHeard ? "asked" : "silent",
        };
      }),
    };
  }

  #hasConfirmed(member: MemberName): boolean {
    const { self, catalog } = this.#options;
    const drained = catalog.shard(member)?.memberRecord()?.drained ?? [];
    return drained.some(
      (one) => one.member === self && one.gateway === leavingGateway && one.drain === this.#leave,
    );
  }

  #tell(): void {
    const { catalog, services, onChange } = this.#options;
    // First: who reads the record has read the withdrawals.
    catalog.publish({ upserts: this.offered(services()), removed: [] });
    this.look();
    onChange();
  }
}
