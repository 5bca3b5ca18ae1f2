import { type LoadRow, loadWidth } from "./fields.ts";

/**
 * Rows of one series and one minute, one after the other: second in the minute, number of fields, then
 * pairs of field index and value, values as base-128 varints. A row of a quiet second takes about 20
 * bytes instead of 512.
 */
export interface PackedRows {
  bytes: Uint8Array;
  used: number;
}

const firstBytes = 64;
// Three small bytes per row, then an index and up to eight bytes of a number below 2^53 per field.
const mostRowBytes: number = 2 + loadWidth * 9;

export function newPackedRows(): PackedRows {
  return { bytes: new Uint8Array(firstBytes), used: 0 };
}

const scratch = new Uint8Array(mostRowBytes);

/** Appends a row; returns by how many bytes the memory of `packed` grew. Values are whole numbers >= 0. */
export function packRow(packed: PackedRows, second: number, row: LoadRow): number {
  let at = 2;
  let fields = 0;
  for (let index = 0; index < loadWidth; index += 1) {
    const value = row[index] ?? 0;
    if (value <= 0) continue;
    fields += 1;
    scratch[at++] = index;
    at = writeVarint(at, value);
  }
  scratch[0] = second;
  scratch[1] = fields;
  const before = packed.bytes.length;
  if (packed.used + at > before) {
    const grown = new Uint8Array(Math.max(before * 2, packed.used + at));
    grown.set(packed.bytes.subarray(0, packed.used));
    packed.bytes = grown;
  }
  packed.bytes.set(scratch.subarray(0, at), packed.used);
  packed.used += at;
  return packed.bytes.length - before;
}

function writeVarint(from: number, value: number): number {
  let at = from;
  let left = value;
  while (left >= 128) {
    scratch[at++] = (left % 128) + 128;
    left = Math.floor(left / 128);
  }
  scratch[at++] = left;
  return at;
}

/** Gives back what the growing took too much; returns by how many bytes the memory shrank. */
export function trimPacked(packed: PackedRows): number {
  const before = packed.bytes.length;
  packed.bytes = packed.bytes.slice(0, packed.used);
  return before - packed.used;
}

/** Calls back for each row; the row is reused and holds only until the callback returns. */
export function eachRow(packed: PackedRows, take: (second: number, row: LoadRow) => void): void {
  const { bytes, used } = packed;
  const row = new Float64Array(loadWidth);
  for (let at = 0; at < used; ) {
    const second = bytes[at++] ?? 0;
    row.fill(0);
    for (let fields = bytes[at++] ?? 0; fields > 0; fields -= 1) {
      const index = bytes[at++] ?? 0;
      let value = 0;
      let scale = 1;
      for (;;) {
        const byte = bytes[at++] ?? 0;
        value += (byte & 127) * scale;
        if (byte < 128) break;
        scale *= 128;
      }
      row[index] = value;
    }
    take(second, row);
  }
}
