import { hash, randomBytes } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, MeshError } from "../../../mesh/errors.ts";
import { Secret } from "../../../mesh/secret.ts";
import { readKeyFile, saveFile } from "../../../trust/io/safe-files.ts";

export interface UserPasswords {
  /** What goes to the user's agent as `passwordFile`. */
  readonly file: string;
  readonly isNew: boolean;
  /** SHA-256, hex: of the password, and of the next one where there is one. */
  readonly hashes: readonly string[];
}

// 256 bits: nobody guesses it from its plain SHA-256, which is all that Redis keeps.
const passwordBytes = 32;

/**
 * The passwords of a user, from `NAME.password`; made where that is missing. With `NAME.next.password`
 * beside it both are good, so that an agent can change from one to the other at its own time.
 * Throws MESH_FILE_UNREADABLE and MESH_TRUST_KEY_FILE_UNSAFE.
 */
export async function userPasswords(dir: string, name: string): Promise<UserPasswords> {
  const file = join(dir, `${name}.password`);
  const next = join(dir, `${name}.next.password`);
  await makePrivate(dir);
  const isNew = !(await isThere(file));
  if (isNew)
    await saveFile(file, new Secret(`${randomBytes(passwordBytes).toString("base64url")}\n`));
  const files = (await isThere(next)) ? [file, next] : [file];
  return { file, isNew, hashes: await Promise.all(files.map(hashOf)) };
}

async function hashOf(file: string): Promise<string> {
  // Editors and `echo` end a file with a line break; no password does.
  const password = (await readKeyFile(file)).reveal().replace(/\r?\n$/, "");
  if (password === "") {
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot use "${file}": it holds no password`);
  }
  return hash("sha256", password, "hex");
}

async function makePrivate(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot make folder "${dir}"`, { cause });
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return false;
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot read "${file}"`, { cause: thrown });
  }
}
