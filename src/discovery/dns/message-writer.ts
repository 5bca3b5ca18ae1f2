import { parseIp } from "../../mesh/address.ts";
import {
  classInternet,
  maxUdpBytes,
  type Name,
  negativeSeconds,
  type ResourceRecord,
  recordType,
} from "./wire.ts";

// A pointer has 14 bits.
const maxPointer = 0x3fff;

/**
 * Writes a message from its beginning to its end. A name whose end stands in it already points there
 * (RFC 1035, section 4.1.4), which is what lets dozens of addresses into one datagram.
 */
export class MessageWriter {
  #buffer = new Uint8Array(512);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  /** Where a name was written, so that it can be pointed to. */
  readonly #places = new Map<string, number>();

  get length(): number {
    return this.#length;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  word(value: number): void {
    const start = this.#room(2);
    this.#view.setUint16(start, value);
  }

  #byte(value: number): void {
    const start = this.#room(1);
    this.#view.setUint8(start, value);
  }

  question(bytes: Uint8Array, name: Name): void {
    this.#remember(name, this.#length);
    this.#put(bytes);
  }

  record({ owner, ttlSeconds, data }: ResourceRecord): void {
    this.#name(owner);
    this.word(data.t === "address" ? addressType(data.ip) : typeOf[data.t]);
    this.word(classInternet);
    this.#long(ttlSeconds);
    const length = this.#room(2);
    const start = this.#length;
    this.#data(data);
    this.#view.setUint16(length, this.#length - start);
  }

  /** Source: RFC 6891 section 6.1. */
  edns(upperRcode: number): void {
    this.#byte(0);
    this.word(recordType.OPT);
    this.word(maxUdpBytes);
    this.#long(upperRcode << 24);
    this.word(0);
  }

  #data(data: ResourceRecord["data"]): void {
    switch (data.t) {
      case "address":
        return this.#put(addressBytes(data.ip));
      case "srv":
        // Priority and weight: all are alike.
        this.word(0);
        this.word(100);
        this.word(data.port);
        // RFC 2782 forbids to compress it.
        return this.#plainName(data.target);
      case "txt":
        return this.#text(data.text);
      case "ns":
        return this.#name(data.target);
      case "soa":
        this.#name(data.server);
        this.#name(data.mail);
        // Nobody copies this zone: serial, refresh, retry, expire say nothing; the last is how long "no" holds.
        for (const value of [data.serial, 7200, 1800, 86_400, negativeSeconds]) this.#long(value);
        return;
    }
  }

  #name(name: Name): void {
    for (let index = 0; index < name.length; index += 1) {
      const place = this.#places.get(name.slice(index).join("."));
      if (place !== undefined) return this.word(0xc000 | place);
      this.#label(name, index);
    }
    this.#byte(0);
  }

  #plainName(name: Name): void {
    for (let index = 0; index < name.length; index += 1) this.#label(name, index);
    this.#byte(0);
  }

  #label(name: Name, index: number): void {
    const rest = name.slice(index).join(".");
    if (!this.#places.has(rest) && this.#length <= maxPointer) {
      this.#places.set(rest, this.#length);
    }
    this.#text(name[index] ?? "");
  }

  /** One byte says how long it is. */
  #text(text: string): void {
    const bytes = Buffer.from(text, "latin1");
    this.#byte(bytes.length);
    this.#put(bytes);
  }

  #remember(name: Name, start: number): void {
    let offset = start;
    for (let index = 0; index < name.length; index += 1) {
      this.#places.set(name.slice(index).join("."), offset);
      offset += 1 + bytesIn(name[index] ?? "");
    }
  }

  #long(value: number): void {
    const start = this.#room(4);
    this.#view.setUint32(start, value >>> 0);
  }

  #put(bytes: Uint8Array): void {
    const start = this.#room(bytes.length);
    this.#buffer.set(bytes, start);
  }

  /** Returns where to write so many bytes; the buffer may be another one after it. */
  #room(bytes: number): number {
    const start = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#buffer.length * 2));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }
}

const typeOf = {
  srv: recordType.SRV,
  txt: recordType.TXT,
  ns: recordType.NS,
  soa: recordType.SOA,
};

function addressType(ip: string): number {
  return ip.includes(":") ? recordType.AAAA : recordType.A;
}

function addressBytes(ip: string): Uint8Array {
  const parsed = parseIp(ip);
  const size = (parsed?.bits ?? 32) / 8;
  const bytes = new Uint8Array(size);
  let rest = parsed?.value ?? 0n;
  for (let index = size - 1; index >= 0; index -= 1) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** A label as it was read: an escaped dot is one byte. */
function bytesIn(label: string): number {
  return label.replaceAll("\\.", ".").length;
}
