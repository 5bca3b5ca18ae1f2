import { stat } from "node:fs/promises";
import { MeshError } from "../../mesh/errors.ts";

/**
 * What root writes into the folder of the unit's user, the unit cannot read. Throws MESH_FILE_UNWRITABLE for a folder
 * of somebody else's.
 */
export async function checkOwner(dir: string): Promise<void> {
  const owner = (await ownerOf(dir))?.uid;
  if (owner === undefined || owner === process.getuid?.()) return;
  throw new MeshError(
    "MESH_FILE_UNWRITABLE",
    `Cannot write to "${dir}": it belongs to another user (uid ${owner}), and what this one writes that one could not read; ` +
      "run it as that user, or where the unit runs it: systemctl restart isthmus-vm",
  );
}

/**
 * Goes on as the folder's owner, where root looks into one of somebody else's: what the sidecar may read counts, not
 * what root may. There is no way back in this process.
 */
export async function becomeOwner(dir: string): Promise<void> {
  const owner = await ownerOf(dir);
  if (owner === undefined || owner.uid === 0 || process.getuid?.() !== 0) return;
  process.setgroups?.([owner.gid]);
  process.setgid?.(owner.gid);
  process.setuid?.(owner.uid);
}

/** Undefined: there is no such folder, or it cannot be looked at. */
async function ownerOf(
  dir: string,
): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  return await stat(dir).catch(() => undefined);
}
