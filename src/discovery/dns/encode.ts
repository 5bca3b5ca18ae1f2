import { parseIp } from "../../mesh/address.ts";
import type { Query } from "./query.ts";
import {
  classInternet,
  headerBytes,
  type Name,
  type ResourceRecord,
  rcode,
  recordType,
} from "./wire.ts";

/** What is to be said to a question. */
export interface Answer {
  readonly rcode: number;
  /** Whether we are the ones to ask. */
  readonly isAuthoritative: boolean;
  readonly answers: readonly ResourceRecord[];
  /** Says how long there will be nothing else; only without answers. */
  readonly authority: readonly ResourceRecord[];
  /** What the asker would ask next. */
  readonly additional: readonly ResourceRecord[];
}

/** What goes through every tunnel without being cut in pieces. Source: DNS flag day 2020. */
export const maxUdpBytes = 1232;
const maxTcpBytes = 65_535;
const plainUdpBytes = 512;

/** A bare header: something was asked that cannot be repeated. */
export function encodeFault(fault: {
  readonly id: number;
  readonly opcode: number;
  readonly rcode: number;
}): Uint8Array {
  const message = new Uint8Array(headerBytes);
  const view = new DataView(message.buffer);
  view.setUint16(0, fault.id);
  view.setUint16(2, 0x8000 | (fault.opcode << 11) | fault.rcode);
  return message;
}

/**
 * The answer as it goes out. What does not fit into a datagram that the asker takes is left out:
 * additional records silently, answers with the bit that says to ask again by TCP.
 */
export function encodeAnswer(query: Query, answer: Answer, transport: "udp" | "tcp"): Uint8Array {
  const asked = query.edns?.maxBytes ?? plainUdpBytes;
  const limit = transport === "tcp" ? maxTcpBytes : Math.min(asked, maxUdpBytes);
  const fitting =
    encodeWithin(limit, query, answer) ?? encodeWithin(limit, query, { ...answer, additional: [] });
  if (fitting !== undefined) return fitting;
  const nothing = { ...answer, answers: [], authority: [], additional: [] };
  // A question takes 271 bytes at most, every asker takes 512.
  const cut = encodeWithin(maxTcpBytes, query, nothing) ?? new Uint8Array(0);
  cut[2] = (cut[2] ?? 0) | 0x02;
  return cut;
}

/** Undefined as soon as it gets longer: the rest of a thousand records would be written for nobody. */
function encodeWithin(limit: number, query: Query, answer: Answer): Uint8Array | undefined {
  const { question, edns } = query;
  const writer = new Writer();
  const flags =
    0x8000 |
    (answer.isAuthoritative ? 0x0400 : 0) |
    (query.isRecursionDesired ? 0x0100 : 0) |
    (answer.rcode & 15);
  const additional = answer.additional.length + (edns === undefined ? 0 : 1);
  const counts = [1, answer.answers.length, answer.authority.length, additional];
  for (const word of [query.id, flags, ...counts]) writer.word(word);
  writer.question(question.bytes, question.name);
  for (const record of [...answer.answers, ...answer.authority, ...answer.additional]) {
    writer.record(record);
    if (writer.length > limit) return undefined;
  }
  if (edns !== undefined) writer.edns(answer.rcode >> 4);
  return writer.length > limit ? undefined : writer.bytes();
}

// A pointer has 14 bits.
const maxPointer = 0x3fff;

class Writer {
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

/** How long an asker may keep that there is nothing: services come and go. */
export const negativeSeconds = 5;

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

/** Nothing to say but how it went. */
export function emptyAnswer(code: number): Answer {
  return {
    rcode: code,
    isAuthoritative: code === rcode.ok || code === rcode.noSuchName,
    answers: [],
    authority: [],
    additional: [],
  };
}
