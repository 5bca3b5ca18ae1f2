import { stat } from "node:fs/promises";
import type { Finding } from "../../mesh/service.ts";
import type { HubConfig } from "../config/config.ts";

type SecretFiles = Pick<HubConfig, "name" | "passwordFile" | "keyFile">;

/**
 * The files with passwords and keys of hubs that others on this machine may read. Only warned of: unlike a
 * member's key they can be replaced at any time, and kubelet lets a pod's group read them. A file that
 * is not there is the login's problem.
 */
export async function exposedSecrets(hubs: readonly SecretFiles[]): Promise<readonly Finding[]> {
  const files = hubs.flatMap(({ name, passwordFile, keyFile }) =>
    [
      { hub: name, what: "passwordFile", file: passwordFile },
      { hub: name, what: "keyFile", file: keyFile },
    ].flatMap(({ file, ...rest }) => (file === undefined ? [] : [{ ...rest, file }])),
  );
  const found = await Promise.all(files.map(findingOf));
  return found.filter((one) => one !== undefined);
}

async function findingOf(secret: {
  readonly hub: string;
  readonly what: string;
  readonly file: string;
}): Promise<Finding | undefined> {
  const { hub, what, file } = secret;
  const mode = await stat(file).then(
    (found) => found.mode & 0o777,
    () => undefined,
  );
  if (mode === undefined || (mode & 0o077) === 0) return undefined;
  const may = (mode & 0o022) === 0 ? "read" : "read or write";
  const who = (mode & 0o007) === 0 ? "its group" : "everybody on this machine";
  return {
    code: "CATALOG_SECRET_EXPOSED",
    severity: "warning",
    subject: file,
    message: `${who} may ${may} it, the ${what} of hub ${hub} (mode 0${mode.toString(8).padStart(3, "0")}): chmod 600, and a new password where others could have seen it`,
  };
}
