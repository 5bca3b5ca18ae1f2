import { MeshError } from "../../mesh/errors.ts";
import type { Signer } from "../signer.ts";
import { fileSigner } from "./file-signer.ts";

/** Where a root's private key is. Paths are absolute. */
export type SignerPlace =
  /** An unencrypted PKCS#8 file, 0600. */
  { readonly t: "file"; readonly file: string } | ({ readonly t: "pkcs11" } & Pkcs11Place);

/** A key pair inside a PKCS#11 token. */
export interface Pkcs11Place {
  /** The vendor's shared library. */
  readonly module: string;
  /** Label of the token. */
  readonly token: string;
  /** Label of the key pair. */
  readonly key: string;
  /** Holds the user's PIN alone; 0600. */
  readonly pinFile: string;
}

/** Throws MESH_FILE_UNREADABLE, MESH_TRUST_KEY_FILE_UNSAFE and MESH_TRUST_DER_INVALID. */
export async function openSigner(place: SignerPlace): Promise<Signer> {
  switch (place.t) {
    case "file":
      return await fileSigner(place.file);
    case "pkcs11":
      throw new MeshError(
        "MESH_TRUST_SIGNER_FAILED",
        "Cannot use PKCS#11: it is not in this build",
      );
  }
}
