import { readPrivateKey } from "../keys.ts";
import type { Signer } from "../signer.ts";
import { signerOf } from "../signer.ts";
import { readKeyFile } from "./safe-files.ts";

/** A signer whose key is an unencrypted PKCS#8 file, 0600. Throws as `readKeyFile` and `readPrivateKey` do. */
export async function fileSigner(path: string): Promise<Signer> {
  return signerOf(readPrivateKey(await readKeyFile(path)));
}
