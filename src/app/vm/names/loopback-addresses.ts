import { createHash } from "node:crypto";
import type { ServiceId } from "../../../mesh/ids.ts";

// All of 127.0.0.0/8 is this machine without any setup on Linux; this part of it nobody else uses by habit.
const prefix = "127.79";

/**
 * An address of this machine's loopback for each service, so that several of them can have the port that each
 * really has. Made of the service's name: it stays the same when others come and go, unless two names meet.
 */
export function loopbackAddresses(services: Iterable<ServiceId>): ReadonlyMap<ServiceId, string> {
  const taken = new Map<string, ServiceId>();
  // Sorted: who gives way where two names meet does not depend on the order in a command.
  for (const service of [...new Set(services)].sort()) {
    const digest = createHash("sha256").update(service).digest();
    let turn = digest.readUInt16BE(0);
    while (taken.has(addressAt(turn))) turn += 1;
    taken.set(addressAt(turn), service);
  }
  return new Map([...taken].map(([address, service]) => [service, address]));
}

// Last numbers 0 and 255 are legal on loopback, but look like a network and a broadcast to people.
const lastNumbers = 254;

function addressAt(turn: number): string {
  const index = turn % (256 * lastNumbers);
  return `${prefix}.${Math.floor(index / lastNumbers)}.${1 + (index % lastNumbers)}`;
}
