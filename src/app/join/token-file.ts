import { stat } from "node:fs/promises";
import { MeshError } from "../../mesh/errors.ts";
import { Secret } from "../../mesh/secret.ts";
import { readText } from "../../trust/io/safe-files.ts";
import { parseJoinToken } from "../../trust/join/join-token.ts";

/**
 * Reads the file that `isthmus token create` was led into; undefined: it is empty. `warn` hears a sentence when
 * everybody on this machine may read it. A group may: so Kubernetes and systemd hand files over. Throws
 * MESH_FILE_UNREADABLE and MESH_JOIN_TOKEN_MALFORMED, which name the file.
 */
export async function readTokenFile(
  path: string,
  warn: (sentence: string) => void,
): Promise<Secret | undefined> {
  const token = new Secret((await readText(path)).trim());
  if (token.reveal() === "") return undefined;
  checkShape(path, token);
  const { mode } = await stat(path);
  if ((mode & 0o007) !== 0) {
    warn(
      `Everybody on this machine may read the token in "${path}": chmod 600, and revoke it should it not be used up now`,
    );
  }
  return token;
}

function checkShape(path: string, token: Secret): void {
  try {
    parseJoinToken(token);
  } catch {
    throw new MeshError(
      "MESH_JOIN_TOKEN_MALFORMED",
      `Cannot use "${path}": it holds no whole line that \`isthmus token create\` printed`,
    );
  }
}
