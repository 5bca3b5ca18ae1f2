import type { HostPort } from "../../mesh/address.ts";
import { formatHostPort } from "../../mesh/address.ts";

/** What one gateway process says of itself, every few seconds. */
export interface Announcement {
  /** `host:port`, as this member's configuration names it. */
  readonly address: string;
  /** Tells processes behind one address apart. */
  readonly instance: string;
  readonly isDraining: boolean;
}

/** One address of this member's own gateways. */
export interface OwnDoor {
  /** `host:port` */
  readonly address: string;
  readonly instances: ReadonlyMap<string, Heard>;
  /** The last process behind it said that it goes; until another one says that it serves. */
  readonly isDraining: boolean;
}

interface Heard {
  readonly isDraining: boolean;
  /** Monotonic. */
  readonly atMs: number;
}

export type OwnDoors = readonly OwnDoor[];

/** How often a gateway says so. */
export const announceEveryMs = 5_000;
// Two lost announcements are bad luck, three are an end.
const forgetAfterMs = 3 * announceEveryMs + 1_000;
// More processes behind one load balancer are a mistake, or instance names that never end.
const maxInstances = 256;

export function doorsFor(addresses: readonly HostPort[]): OwnDoors {
  const names = [...new Set(addresses.map(formatHostPort))];
  return names.map((address) => ({ address, instances: new Map(), isDraining: false }));
}

/**
 * Takes over what a process says. An address drains only when nobody else serves behind it: one of
 * several behind a load balancer leaves without a word to other members. Undefined: the address is none
 * of this member's.
 */
export function afterAnnouncement(
  doors: OwnDoors,
  said: Announcement,
  nowMs: number,
): OwnDoors | undefined {
  if (!doors.some(({ address }) => address === said.address)) return undefined;
  return doors.map((door) => {
    if (door.address !== said.address) return door;
    const fresh = [...door.instances].filter(([, heard]) => nowMs - heard.atMs < forgetAfterMs);
    const others = fresh.filter(([instance]) => instance !== said.instance);
    const heard: Heard = { isDraining: said.isDraining, atMs: nowMs };
    const instances = new Map([...others.slice(-maxInstances + 1), [said.instance, heard]]);
    const isServed = [...instances.values()].some((one) => !one.isDraining);
    return { ...door, instances, isDraining: !isServed };
  });
}

/** What this agent has heard of it of late. */
export function doorState(door: OwnDoor, nowMs: number): "live" | "draining" | "unheard" {
  if (door.isDraining) return "draining";
  const isHeard = [...door.instances.values()].some((one) => nowMs - one.atMs < forgetAfterMs);
  return isHeard ? "live" : "unheard";
}
