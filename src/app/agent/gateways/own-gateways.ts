import type { GatewayRecord } from "../../../discovery/shards/records.ts";
import {
  afterAnnouncement,
  doorState,
  doorsFor,
  type OwnDoors,
} from "../../../gateway/door/own-doors.ts";
import { formatHostPort } from "../../../mesh/address.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { AnnounceRequest, AnnounceResponse } from "../../../xds/announce.ts";
import type { GatewayAddress } from "../../config/config.ts";

export interface OwnGatewaysOptions {
  /** Undefined: they are followed, and set when they are known. */
  readonly addresses: readonly GatewayAddress[] | undefined;
  /** The records are not what they were. */
  readonly onChange: () => void;
  /** Members that could still send connections. */
  readonly others: () => readonly MemberName[];
  /** Whether that member has confirmed that it sends no new connections to the address in this drain. */
  readonly hasConfirmed: (
    member: MemberName,
    about: { readonly address: string; readonly drain: number },
  ) => boolean;
  /** Whether this agent writes the member's shard now; of several replicas one does. */
  readonly isWriter: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

// Longer than a slow hub and a slow member take; a gateway has 25 s in all.
const maxWaitMs = 30_000;
// Gateways start after their agent, and after a machine.
const unheardAfterMs = 60_000;
// Confirmations come with members' records; leases may end meanwhile without an event of ours.
const lookEveryMs = 250;

/** This member's gateways: who is behind which address, and who is on its way out. */
export class OwnGateways {
  readonly #options: OwnGatewaysOptions;
  #addresses: readonly GatewayAddress[] | undefined;
  #doors: OwnDoors;
  /** By address; a later drain has a larger number, also after a restart. */
  readonly #drains = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  readonly #startedAtMs: number;

  constructor(options: OwnGatewaysOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.monotonicMs();
    this.#addresses = options.addresses;
    this.#doors = doorsFor(options.addresses ?? []);
  }

  /** Undefined: not known yet. */
  addresses(): readonly GatewayAddress[] | undefined {
    return this.#addresses;
  }

  setAddresses(addresses: readonly GatewayAddress[]): void {
    const known = new Map(this.#doors.map((door) => [door.address, door]));
    this.#addresses = addresses;
    this.#doors = doorsFor(addresses).map((door) => known.get(door.address) ?? door);
    this.#options.onChange();
  }

  /** As the member record states them; undefined: not known yet. */
  records(): readonly GatewayRecord[] | undefined {
    return this.#addresses?.map(({ host, port, zone }) => ({
      host,
      port,
      ...(zone === undefined ? {} : { zone }),
      ...this.#drainOf(formatHostPort({ host, port })),
    }));
  }

  stateOf(address: string): "live" | "draining" | "unheard" {
    const door = this.#doors.find((one) => one.address === address);
    return door === undefined ? "unheard" : doorState(door, this.#options.clock.monotonicMs());
  }

  /** Answers at once, unless it says that an address drains: then when the others have confirmed it. */
  async announced(request: AnnounceRequest, signal: AbortSignal): Promise<AnnounceResponse> {
    const { address, isDraining } = request;
    const before = this.#isDraining(address);
    const doors = afterAnnouncement(this.#doors, request, this.#options.clock.monotonicMs());
    if (doors === undefined) return { isKnown: false, isPublished: false, missing: [] };
    this.#doors = doors;
    if (before !== this.#isDraining(address)) this.#tell(address);
    if (!isDraining || !this.#isDraining(address) || !this.#options.isWriter()) {
      return { isKnown: true, isPublished: false, missing: [] };
    }
    const missing = await this.#confirmed(address, { waitMs: request.waitMs, signal });
    this.#options.log.info({ address, names: missing }, "Other members were told of a drain");
    return { isKnown: true, isPublished: true, missing };
  }

  findings(): readonly Finding[] {
    // Gateways behind a load balancer cannot know its address: it finds out itself who serves.
    if (this.#options.addresses === undefined) return [];
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#startedAtMs < unheardAfterMs) return [];
    return this.#doors
      .filter((door) => doorState(door, nowMs) === "unheard")
      .map(
        ({ address }): Finding => ({
          code: "GATEWAY_UNHEARD",
          severity: "info",
          subject: address,
          message:
            "no gateway says that it serves behind this address; others will not be told when one there ends",
        }),
      );
  }

  /** Some member's record or lease changed. */
  look(): void {
    for (const look of this.#waiting) look();
  }

  #isDraining(address: string): boolean {
    return this.#doors.some((door) => door.address === address && door.isDraining);
  }

  #drainOf(address: string): Pick<GatewayRecord, "draining"> {
    return this.#isDraining(address) ? { draining: this.#drains.get(address) ?? 1 } : {};
  }

  #tell(address: string): void {
    const state = this.#isDraining(address) ? "draining" : "live";
    if (state === "draining") {
      const last = this.#drains.get(address) ?? 0;
      this.#drains.set(address, Math.max(last + 1, this.#options.clock.nowMs()));
    }
    this.#options.log.info({ address, state }, "Own gateway changed");
    this.#options.onChange();
  }

  /** Resolves with the members that are missing: none as soon as possible, some when time is up. */
  #confirmed(
    address: string,
    limit: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<readonly MemberName[]> {
    const { others, hasConfirmed } = this.#options;
    const about = { address, drain: this.#drains.get(address) ?? 1 };
    const missing = (): readonly MemberName[] =>
      others().filter((member) => !hasConfirmed(member, about));
    return new Promise((resolve) => {
      const end = (): void => {
        clearInterval(timer);
        clearTimeout(deadline);
        limit.signal.removeEventListener("abort", end);
        this.#waiting.delete(look);
        resolve(missing());
      };
      const look = (): void => {
        // A process that came back meanwhile has taken the drain back.
        if (missing().length === 0 || !this.#isDraining(address)) end();
      };
      const timer = setInterval(look, lookEveryMs);
      const deadline = setTimeout(end, Math.min(maxWaitMs, limit.waitMs));
      limit.signal.addEventListener("abort", end);
      this.#waiting.add(look);
      look();
    });
  }
}
