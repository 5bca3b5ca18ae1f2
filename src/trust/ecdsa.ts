import { bigInteger, sequence, writeDer } from "./der.ts";

// Of r and of s, on P-256.
const halfBytes = 32;

/**
 * An ECDSA signature as certificates hold it, out of what tokens give: r and s one after the other, of fixed
 * length. Throws RangeError for anything that is not one on P-256.
 */
export function ecdsaDer(raw: Uint8Array): Buffer {
  if (raw.length !== 2 * halfBytes) {
    throw new RangeError(`A raw P-256 signature has 64 bytes, not ${raw.length}`);
  }
  const [r, s] = [raw.subarray(0, halfBytes), raw.subarray(halfBytes)].map(positive);
  if (r === undefined || s === undefined) throw new RangeError("Half of the signature is zero");
  return writeDer(sequence(bigInteger(r), bigInteger(s)));
}

/** Without leading zeros, which DER does not allow. */
function positive(half: Uint8Array): Uint8Array | undefined {
  const first = half.findIndex((byte) => byte !== 0);
  return first === -1 ? undefined : half.subarray(first);
}
