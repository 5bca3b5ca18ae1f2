import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, MeshError, reasonOf } from "../../../mesh/errors.ts";
import { replaceFile } from "../../../mesh/io/replace-file.ts";
import { instanceSecretBytes } from "../../../xds/registering/requests.ts";

/** In the folder of the identity, and as private as its key. */
const instanceSecretFile = "instance.key";

const newSecretBytes = 32;

/**
 * What this workload is known by over reboots and moves: made once, kept beside its identity. Throws
 * MESH_FILE_UNREADABLE: whoever made up a new one would leave the old entry behind without a word.
 */
export async function loadInstanceSecret(dir: string): Promise<Uint8Array> {
  const file = join(dir, instanceSecretFile);
  try {
    const secret = Buffer.from((await readFile(file, "utf8")).trim(), "base64url");
    const { min, max } = instanceSecretBytes;
    if (secret.length >= min && secret.length <= max) return secret;
    throw new RangeError(`it holds ${secret.length} bytes; delete it to become another instance`);
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") {
      const message = `Cannot read instance secret "${file}": ${reasonOf(cause)}`;
      throw new MeshError("MESH_FILE_UNREADABLE", message, { cause });
    }
  }
  const secret = randomBytes(newSecretBytes);
  await replaceFile(file, { text: `${secret.toString("base64url")}\n`, mode: 0o600 });
  return secret;
}
