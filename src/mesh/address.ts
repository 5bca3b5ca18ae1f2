import { MeshError } from "./errors.ts";

export interface HostPort {
  /** IP literal without brackets, or a DNS name. */
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port` or `[v6]:port`. Port 0 is legal: any free one. Throws MESH_ADDRESS_INVALID. */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const bracketed = match?.[1];
  const host = bracketed ?? match?.[2];
  const isV6 = bracketed === undefined || parseV6(bracketed) !== undefined;
  if (host === undefined || !isV6 || port > 65_535) {
    throw new MeshError(
      "MESH_ADDRESS_INVALID",
      `Cannot read address "${text}": it is not host:port`,
    );
  }
  return { host, port };
}

/** IPv6 literals in brackets: what `parseHostPort` reads. */
export function formatHostPort(address: HostPort): string {
  return address.host.includes(":")
    ? `[${address.host}]:${address.port}`
    : `${address.host}:${address.port}`;
}

/** An IP literal as a number of 32 or 128 bits. */
interface IpBits {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** Undefined for anything that is not an IP literal. */
export function parseIp(text: string): IpBits | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

export function isIp(text: string): boolean {
  return parseIp(text) !== undefined;
}

/** Whether nobody but programs of the same machine reaches it. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || /^(?:127\.|::1$)/.test(host);
}

/**
 * An IP literal in its one shortest spelling (RFC 5952): IPv6 has many of one address. An IPv4 address in the clothes
 * of an IPv6 one is what it stands for: compared as it is, it would be another machine's.
 */
export function canonicalIp(text: string): string {
  if (!text.includes(":")) return text;
  const short = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? [];
  if (high === undefined || low === undefined) return short;
  const value = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

// Read for each endpoint of each change: without parts, patterns and large numbers it costs a tenth.
function parseV4(text: string): IpBits | undefined {
  let value = 0;
  let part = -1;
  let parts = 1;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === dot) {
      if (part < 0) return undefined;
      value = value * 256 + part;
      part = -1;
      parts += 1;
      continue;
    }
    const digit = code - zero;
    // No leading zeros: some read them as octal.
    if (digit < 0 || digit > 9 || part === 0) return undefined;
    part = part < 0 ? digit : part * 10 + digit;
    if (part > 255) return undefined;
  }
  if (parts !== 4 || part < 0) return undefined;
  return { bits: 32, value: BigInt(value * 256 + part) };
}

const dot = 46;
const zero = 48;

function parseV6(text: string): IpBits | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? "");
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? "") : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail];
  const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
  return { bits: 128, value };
}

function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (part.includes(".") && index === parts.length - 1) {
      const v4 = parseV4(part);
      if (v4 === undefined) return undefined;
      groups.push(Number(v4.value >> 16n), Number(v4.value & 0xffffn));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** A range in CIDR form, e.g. `10.0.0.0/8`. */
export interface IpRange {
  readonly text: string;
  readonly bits: 32 | 128;
  readonly prefix: bigint;
  readonly length: number;
}

/** Throws MESH_ADDRESS_INVALID. A bare address is a range of one. */
export function parseIpRange(text: string): IpRange {
  const [address = "", length, ...rest] = text.split("/");
  const ip = parseIp(address);
  const bits = ip?.bits ?? 32;
  const count = length === undefined ? bits : Number(length);
  const isLength = length === undefined || (/^\d{1,3}$/.test(length) && count <= bits);
  if (ip === undefined || rest.length > 0 || !isLength) {
    throw new MeshError("MESH_ADDRESS_INVALID", `Cannot read range "${text}": it is not CIDR`);
  }
  const shift = BigInt(bits - count);
  return { text, bits, prefix: ip.value >> shift, length: count };
}

/** An IPv4 address written as `::ffff:a.b.c.d` is judged as the IPv4 address it stands for. */
export function isInRange(address: string, range: IpRange): boolean {
  const parsed = parseIp(address);
  if (parsed === undefined) return false;
  const ip = unmapped(parsed);
  return ip.bits === range.bits && ip.value >> BigInt(range.bits - range.length) === range.prefix;
}

function unmapped(ip: IpBits): IpBits {
  const isMapped = ip.bits === 128 && ip.value >> 32n === 0xffffn;
  return isMapped ? { bits: 32, value: ip.value & 0xffff_ffffn } : ip;
}

const neverPublic = [
  "127.0.0.0/8",
  "0.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "255.255.255.255/32",
  "::1/128",
  "::/128",
  "fe80::/10",
  "ff00::/8",
].map(parseIpRange);

/** What a member may publish when its charter entry names no ranges: anything a packet can be routed to. */
export function isRoutable(address: string): boolean {
  return isIp(address) && !neverPublic.some((range) => isInRange(address, range));
}
