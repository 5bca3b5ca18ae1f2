import { basename, dirname, join } from "node:path";
import type { Signer } from "../signer.ts";
import { openSigner, type SignerPlace } from "./open-signer.ts";

/**
 * Where the key of the root that comes next is, while the root is rotated: in the folder of the present one, or
 * in the same token.
 */
export function nextKeyPlace(place: SignerPlace): SignerPlace {
  if (place.t === "pkcs11") return { ...place, key: `${place.key}.next` };
  const { file } = place;
  return { t: "file", file: join(dirname(file), `${basename(file, ".key")}.next.key`) };
}

/**
 * The key at that place whose id `isWanted` takes, or the next root's; the first where neither is. Read anew at
 * each call: a rotation changes what lies there. Throws as `openSigner` does for the first.
 */
export async function openRootSigner(
  place: SignerPlace,
  isWanted: (keyId: string) => boolean,
): Promise<Signer> {
  const first = await openSigner(place);
  if (isWanted(first.keyId)) return first;
  const next = await openSigner(nextKeyPlace(place)).catch(() => undefined);
  return next !== undefined && isWanted(next.keyId) ? next : first;
}
