import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { replaceFile } from "../../../mesh/io/replace-file.ts";
import type { Identity } from "../../../mesh/ports.ts";
import { saveIdentity } from "../../../trust/io/identity-store.ts";
import { adminAt } from "./admin.ts";
import { adminSocket, bootstrapFile } from "./bootstrap.ts";

// What the kernel takes for the path of a Unix socket, without its end.
const maxSocketPath = 103;
// A launcher that was killed takes its Envoy along within milliseconds; one that ends well may need longer.
const takenLimitMs = 3_000;
const askAgainMs = 100;

/**
 * Makes the folder of an identity the working folder of an Envoy: `envoy/` with its bootstrap, readable by
 * this user alone, and `identity/` with what it shows. Throws MESH_ENGINE_FOLDER.
 */
export async function prepareFolder(
  folder: string,
  content: { readonly bootstrap: object; readonly identity: Identity },
): Promise<void> {
  const socket = adminSocketIn(folder);
  if (Buffer.byteLength(socket) > maxSocketPath) {
    refuse(folder, `its path is too long for a Unix socket: ${socket}`);
  }
  try {
    const own = join(folder, "envoy");
    await makeFolder(own);
    const { mode } = await stat(own);
    if ((mode & 0o077) !== 0)
      refuse(own, `others may use it (mode 0${(mode & 0o777).toString(8)})`);
    await waitUntilLeft(folder);
    const text = `${JSON.stringify(content.bootstrap, null, 2)}\n`;
    await replaceFile(join(folder, bootstrapFile), { text, mode: 0o600 });
    await saveIdentity(folder, content.identity);
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    refuse(folder, `${reasonOf(cause)}; Envoy needs an identity folder that can be written`, cause);
  }
}

/** Not recursive: Node would say of a disk that is read-only that there is no such folder. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (thrown) {
    const isThere = (thrown as NodeJS.ErrnoException).code === "EEXIST";
    if (!isThere || !(await stat(path)).isDirectory()) throw thrown;
  }
}

export function adminSocketIn(folder: string): string {
  return join(folder, adminSocket);
}

/** Two Envoys in one folder would take the admin socket from each other. */
async function waitUntilLeft(folder: string): Promise<void> {
  const admin = adminAt(adminSocketIn(folder));
  for (let leftMs = takenLimitMs; ; leftMs -= askAgainMs) {
    const isTaken = await admin.get("/ready").then(
      () => true,
      () => false,
    );
    if (!isTaken) return;
    if (leftMs <= 0)
      refuse(folder, "another Envoy runs in it: each needs an identity folder of its own");
    await wait(askAgainMs);
  }
}

function refuse(folder: string, truth: string, cause?: unknown): never {
  throw new MeshError("MESH_ENGINE_FOLDER", `Cannot run Envoy in "${folder}": ${truth}`, { cause });
}
