import { parseIp } from "../mesh/address.ts";
import type { Peer } from "../mesh/ports.ts";

/**
 * Names whoever vouches for or against other members: one proven identity on one host. What a node says of
 * itself is free to choose, and so is the number of streams: a liar would make several proxies of one.
 * `remote` is `address:port` of its connection.
 */
export function witnessOf({ id }: Pick<Peer, "id">, remote: string): string {
  return `${id} ${hostOf(remote.slice(0, remote.lastIndexOf(":")))}`;
}

/** Addresses that one machine may choose from count as one: its loopback, its IPv6 network of 64 bits. */
function hostOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (plain.startsWith("127.") || plain === "::1") return "loopback";
  const ip = parseIp(plain);
  return ip?.bits === 128 ? `${(ip.value >> 64n).toString(16)}/64` : plain;
}
