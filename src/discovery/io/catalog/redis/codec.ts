import { hash } from "node:crypto";
import type { SignedCharter } from "../../../../mesh/charter.ts";
import type { RawRecords, ShardPosition, SignedHead } from "../../../shards/store.ts";

/**
 * How the strings in a hub look. Everything read from it is junk until proven otherwise: readers return
 * undefined for what they cannot read.
 *
 * A head's string is two lines of text and the signed head in binary:
 *
 *     isthmus1 <epoch> <seq> <digest>
 *     <id of the last log entry>
 *     <items: head, signature, certificates leaf first>
 *
 * Items are byte strings, each after its length in 4 bytes, most significant first.
 */
const magic = "isthmus1";
const positionLine = /^isthmus1 (\d{1,16}) (\d{1,16}) ([\x21-\x7e]{1,128})$/;
const entryId = /^\d{1,20}-\d{1,20}$/;

/** A head has at most 4 kB, a chain a few certificates; nothing longer is read. */
export const maxHeadValueBytes = 65_536;
export const maxCharterBytes = 1_048_576;
const maxChain = 8;
/** Keys and records of one log entry. Whoever changes more at once is read as a whole. */
export const maxEntryItems = 16_384;
/** Ours have four; a charter and an entry's head have three parts. */
const maxEntryFields = 8;
const maxParts = 8;

export function packItems(items: readonly Uint8Array[]): Buffer {
  const packed = Buffer.allocUnsafe(items.reduce((sum, item) => sum + 4 + item.length, 0));
  let at = 0;
  for (const item of items) {
    at = packed.writeUInt32BE(item.length, at);
    packed.set(item, at);
    at += item.length;
  }
  return packed;
}

/** Undefined where there are more than so many, too: each costs far more memory than its 4 bytes. */
export function unpackItems(packed: Buffer, most: number): readonly Buffer[] | undefined {
  // Counted first, so that a refusal costs next to nothing.
  const count = countOf(packed, most);
  if (count === undefined) return undefined;
  let at = 0;
  return Array.from({ length: count }, () => {
    const start = at + 4;
    at = start + packed.readUInt32BE(at);
    return packed.subarray(start, at);
  });
}

function countOf(packed: Buffer, most: number): number | undefined {
  let at = 0;
  let count = 0;
  for (; at < packed.length; count += 1) {
    if (at + 4 > packed.length || count === most) return undefined;
    at += 4 + packed.readUInt32BE(at);
  }
  return at === packed.length ? count : undefined;
}

/** The first line of a head's string; empty where nothing is held. What the write script compares. */
export function encodePosition(position: ShardPosition | undefined): string {
  if (position === undefined) return "";
  return `${magic} ${position.epoch} ${position.seq} ${position.digest}`;
}

/** What follows the second line. */
export function encodeHead(head: SignedHead): Buffer {
  return packItems([head.bytes, head.signature.bytes, ...head.signature.chain]);
}

export interface StoredHead {
  readonly position: ShardPosition;
  /** Id of the log's last entry at that position. */
  readonly cursor: string;
  /** Empty where the lines can be read and the rest cannot: no signature fits that. */
  readonly head: SignedHead;
}

export function decodeStoredHead(value: Buffer): StoredHead | undefined {
  const first = value.indexOf(10);
  const second = first < 0 ? -1 : value.indexOf(10, first + 1);
  if (second < 0 || second > 1024) return undefined;
  const line = positionLine.exec(value.toString("latin1", 0, first));
  const cursor = value.toString("latin1", first + 1, second);
  if (line === null || !entryId.test(cursor)) return undefined;
  const [, epoch, seq, digest = ""] = line;
  const [bytes, signature, ...chain] = unpackItems(value.subarray(second + 1), 2 + maxChain) ?? [];
  const isWhole = bytes !== undefined && signature !== undefined && chain.length <= maxChain;
  return {
    position: { epoch: Number(epoch), seq: Number(seq), digest },
    cursor,
    head: isWhole
      ? { bytes: copied(bytes), signature: { bytes: copied(signature), chain: chain.map(copied) } }
      : noHead,
  };
}

/** Fits no signature: readers refuse it and count it. */
export const noHead: SignedHead = {
  bytes: Buffer.alloc(0),
  signature: { bytes: Buffer.alloc(0), chain: [] },
};

/**
 * A log entry names its signer's chain instead of carrying it: the chain is most of a head's bytes, is
 * the same for hours, and stands beside the newest head.
 */
export function chainIdOf(chain: readonly Uint8Array[]): string {
  return hash("sha256", packItems(chain), "hex").slice(0, 32);
}

/**
 * Field `h` of a log entry is the start of `encodeHead`, up to the chain, and the chain's name: the write
 * script puts it together, so that nothing is sent twice.
 */
export function entryHeadParts(head: SignedHead): {
  readonly sharedBytes: number;
  readonly chainName: Buffer;
} {
  const { bytes, signature } = head;
  return {
    sharedBytes: 8 + bytes.length + signature.bytes.length,
    chainName: packItems([Buffer.from(chainIdOf(signature.chain), "hex")]),
  };
}

export interface StoredEntry {
  readonly t: "delta" | "whole";
  readonly changed: RawRecords;
  readonly removed: readonly string[];
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly chainId: string;
}

/** Reads the fields of a stream entry: `t`, `h`, and of a delta `n` (pairs) and `c` (pairs, removed keys). */
export function decodeEntry(
  fields: readonly Buffer[],
  most: number = maxEntryItems,
): StoredEntry | undefined {
  if (fields.length > 2 * maxEntryFields) return undefined;
  const byName = new Map<string, Buffer>();
  for (let at = 0; at + 1 < fields.length; at += 2) {
    byName.set(String(fields[at]), fields[at + 1] ?? Buffer.alloc(0));
  }
  const [bytes, signature, chainId] =
    unpackItems(byName.get("h") ?? Buffer.alloc(0), maxParts) ?? [];
  if (bytes === undefined || signature === undefined || chainId === undefined) return undefined;
  const head = {
    bytes: copied(bytes),
    signature: copied(signature),
    chainId: chainId.toString("hex"),
  };
  const kind = String(byName.get("t"));
  if (kind === "whole") return { t: "whole", changed: new Map(), removed: [], ...head };
  const items = unpackItems(byName.get("c") ?? Buffer.alloc(0), most);
  const pairs = Number(byName.get("n"));
  if (kind !== "delta" || items === undefined) return undefined;
  if (!Number.isInteger(pairs) || pairs < 0 || pairs * 2 > items.length) return undefined;
  return {
    t: "delta",
    changed: recordsFrom(items.slice(0, pairs * 2), copied),
    removed: items.slice(pairs * 2).map(String),
    ...head,
  };
}

/** Alternating keys and records. */
export function recordsFrom(
  flat: readonly Buffer[],
  keep: (record: Buffer) => Uint8Array = (record) => record,
): RawRecords {
  const records = new Map<string, Uint8Array>();
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [key, record] = [flat[at], flat[at + 1]];
    if (key !== undefined && record !== undefined) records.set(String(key), keep(record));
  }
  return records;
}

/** What is kept for long must not keep the 64 kB alive that it arrived in. */
function copied(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes);
}

/** `<number>\n<items: bytes, signature, signer>`: the number can be read without the rest. */
export function encodeCharter(entry: {
  readonly number: number;
  readonly charter: SignedCharter;
}): Buffer {
  const { bytes, signature, signer } = entry.charter;
  const items = packItems([bytes, signature, Buffer.from(signer)]);
  return Buffer.concat([Buffer.from(`${entry.number}\n`), items]);
}

/** What of a charter's string holds its number. */
export const charterNumberBytes = 17;

export function charterNumberIn(start: Buffer): number | undefined {
  const digits = /^(\d{1,16})\n/.exec(start.toString("latin1", 0, charterNumberBytes))?.[1];
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : undefined;
}

export function decodeCharter(
  value: Buffer,
): { readonly number: number; readonly charter: SignedCharter } | undefined {
  const number = charterNumberIn(value);
  if (number === undefined) return undefined;
  const items = unpackItems(value.subarray(value.indexOf(10) + 1), maxParts);
  const [bytes, signature, signer] = items ?? [];
  if (bytes === undefined || signature === undefined || signer === undefined) return undefined;
  return { number, charter: { bytes, signature, signer: signer.toString("utf8") } };
}
