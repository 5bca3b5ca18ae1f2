import type { Signer } from "../signer.ts";
import { fileSigner } from "./file-signer.ts";
import { pkcs11Signer } from "./pkcs11/pkcs11-signer.ts";
import type { Pkcs11Place } from "./pkcs11/token.ts";

/** Where a root's private key is. Paths are absolute. */
export type SignerPlace =
  /** An unencrypted PKCS#8 file, 0600. */
  { readonly t: "file"; readonly file: string } | ({ readonly t: "pkcs11" } & Pkcs11Place);

/**
 * Throws MESH_FILE_UNREADABLE, MESH_TRUST_KEY_FILE_UNSAFE, MESH_TRUST_DER_INVALID and MESH_TRUST_SIGNER_FAILED.
 */
export async function openSigner(place: SignerPlace): Promise<Signer> {
  switch (place.t) {
    case "file":
      return await fileSigner(place.file);
    case "pkcs11":
      return await pkcs11Signer(place);
  }
}
