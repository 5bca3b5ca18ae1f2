import { openSnapshotDir } from "../../../discovery/io/catalog/snapshot-dir.ts";
import type { Log } from "../../../mesh/ports.ts";
import type { AgentConfig } from "../../config/config.ts";
import { holdFolder } from "../../held-folder.ts";
import { type DiskWatch, watchDisk } from "./disk-watch.ts";
import { type SecretWatch, watchSecrets } from "./secret-watch.ts";

export interface StateFolder extends AsyncDisposable {
  readonly disk: DiskWatch;
  readonly secrets: SecretWatch;
}

/** Takes the folder for this agent alone, until it is disposed of. Throws MESH_FOLDER_IN_USE. */
export async function openStateFolder(
  { snapshotDir, hubs }: AgentConfig["catalog"],
  log: Log,
): Promise<StateFolder> {
  await using opened = new AsyncDisposableStack();
  const disk = watchDisk(snapshotDir, await openSnapshotDir(snapshotDir, log));
  // Two would write under one instance's name, each taking the member over from the other.
  opened.use(await holdFolder(snapshotDir, "give this one a catalog.snapshotDir of its own"));
  const secrets = await watchSecrets(hubs ?? [], log);
  const owned = opened.move();
  return { disk, secrets, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
