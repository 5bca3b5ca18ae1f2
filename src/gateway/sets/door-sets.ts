import type { MeshService } from "../../discovery/mesh-service.ts";
import type { HostPort } from "../../mesh/address.ts";
import { formatHostPort } from "../../mesh/address.ts";
import type { Place } from "../../mesh/locality.ts";
import type { GatewayNode } from "../../proxy/node.ts";
import type { ProxySettings } from "../../proxy/settings.ts";
import type { ResourceSet } from "../../xds/resource-set.ts";
import { gatewayResources } from "../door/resources.ts";
import { Audience } from "./audience.ts";
import { ViewedAudiences } from "./viewed-audiences.ts";

/** One address of this member's gateways, as its operator states it. */
export interface DoorAddress extends HostPort {
  readonly zone?: string;
}

export interface DoorSetsOptions {
  readonly place: Place;
  readonly addresses: readonly DoorAddress[];
  readonly services: () => Iterable<MeshService>;
  readonly settings: () => ProxySettings;
}

/** The exports of a member as its gateways see them: one set for each zone that has a gateway. */
export class DoorSets {
  readonly #options: DoorSetsOptions;
  readonly #zones = new ViewedAudiences();

  constructor(options: DoorSetsOptions) {
    this.#options = options;
  }

  enter(node: GatewayNode): ResourceSet {
    const zone = this.#zoneOf(node);
    return this.#zones.enter(zone, () => this.#audienceFor(zone)).set();
  }

  leave(node: GatewayNode): void {
    this.#zones.leave(this.#zoneOf(node));
  }

  audiences(): readonly Audience[] {
    return this.#zones.audiences();
  }

  /** That of its address: by those the callers weigh their gateways. Empty: it serves all alike. */
  #zoneOf({ address }: GatewayNode): string {
    const { addresses } = this.#options;
    return addresses.find((one) => formatHostPort(one) === address)?.zone ?? "";
  }

  #audienceFor(zone: string): Audience {
    const { place, addresses, services, settings } = this.#options;
    const door = { place, zone, zones: addresses.map((one) => one.zone) };
    return new Audience(zone === "" ? "gateway" : `gateway zone=${zone}`, {
      services,
      build: (service) => gatewayResources(service, { door, settings: settings() }),
      isSame: (a, b) => a.local === b.local,
    });
  }
}
