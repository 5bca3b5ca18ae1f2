import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { codeOf, MeshError } from "../../mesh/errors.ts";
import { fieldOf } from "../../mesh/json-map.ts";
import type { SignerPlace } from "./open-signer.ts";
import type { Pkcs11Place } from "./pkcs11/token.ts";
import { type FileContent, readText } from "./safe-files.ts";

const placeFile = "root.token.json";

/**
 * Where the key of a root's folder is: `root.key` in it, or the token that `root.token.json` names. Throws
 * MESH_FILE_UNREADABLE and MESH_TRUST_IDENTITY_REFUSED.
 */
export async function rootPlaceIn(dir: string): Promise<SignerPlace> {
  const file = join(dir, placeFile);
  const text = await readText(file).catch((thrown: unknown) => {
    const cause = thrown instanceof MeshError ? thrown.cause : thrown;
    if (codeOf(cause) === "ENOENT") return undefined;
    throw thrown;
  });
  return text === undefined
    ? { t: "file", file: join(dir, "root.key") }
    : { t: "pkcs11", ...placeIn(file, text) };
}

/** What stands in a folder whose root is in a token; no secret. */
export function tokenFileFor(dir: string, place: Pkcs11Place): FileContent {
  const pinFile = relative(dir, place.pinFile);
  return { name: placeFile, content: `${JSON.stringify({ ...place, pinFile }, null, 2)}\n` };
}

function placeIn(file: string, text: string): Pkcs11Place {
  const value = parsed(file, text);
  const textAt = (name: string): string => {
    const field = fieldOf(value, name);
    return typeof field === "string" && field !== "" ? field : refuse(file, `"${name}" is missing`);
  };
  const pinFile = textAt("pinFile");
  return {
    module: textAt("module"),
    token: textAt("token"),
    key: textAt("key"),
    pinFile: isAbsolute(pinFile) ? pinFile : resolve(dirname(file), pinFile),
  };
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return refuse(file, "it is not JSON");
  }
}

function refuse(file: string, truth: string): never {
  throw new MeshError("MESH_TRUST_IDENTITY_REFUSED", `Cannot use "${file}": ${truth}`);
}
