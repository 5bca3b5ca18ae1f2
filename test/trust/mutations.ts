// Inputs that are nearly right: a seeded stream of small damages, the same in each run.

/** xorshift32: chance that can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

type Damage = (bytes: Buffer, at: number, random: () => number) => Buffer;

const odd = [0x00, 0x01, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xa0, 0xff];

const damages: readonly Damage[] = [
  (bytes, at, random) => replaced(bytes, at, (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8))),
  (bytes, at, random) => replaced(bytes, at, Math.floor(random() * 256)),
  (bytes, at, random) => replaced(bytes, at, odd[Math.floor(random() * odd.length)] ?? 0),
  (bytes, at, random) => replaced(bytes, at, (bytes[at] ?? 0) + (random() < 0.5 ? 1 : 255)),
  (bytes, at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]),
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at, random) => {
    const piece = bytes.subarray(at, at + Math.floor(random() * 40));
    return Buffer.concat([bytes.subarray(0, at), piece, piece, bytes.subarray(at + piece.length)]);
  },
  (bytes, at, random) => {
    const from = Math.floor(random() * bytes.length);
    const piece = bytes.subarray(from, from + Math.floor(random() * 40));
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  },
];

/** One to four damages. Now and then they cancel out: compare before you judge. */
export function mutated(original: Uint8Array, random: () => number): Buffer {
  let bytes: Buffer = Buffer.from(original);
  const count = 1 + Math.floor(random() ** 2 * 4);
  for (let done = 0; done < count; done += 1) {
    const damage = damages[Math.floor(random() * damages.length)];
    if (damage !== undefined) bytes = damage(bytes, Math.floor(random() * bytes.length), random);
  }
  return bytes;
}

function replaced(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = value & 0xff;
  return copy;
}
