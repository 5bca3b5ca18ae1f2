import { chmod, mkdir, rm, rmdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { codeOf, MeshError, reasonOf } from "../../../mesh/errors.ts";
import { replaceFile } from "../../../mesh/io/replace-file.ts";
import { readText } from "../../../trust/io/safe-files.ts";
import { holdFolder } from "../../held-folder.ts";

/** All that a VM keeps; a private folder, held by one process at a time. */
export interface StateFolder extends AsyncDisposable {
  /** Absolute. */
  readonly dir: string;
  /** Key, SVID and bundle. */
  readonly identityDir: string;
  readonly sidecarFile: string;
}

/** Makes it where there is none. Throws MESH_FILE_UNWRITABLE and MESH_FOLDER_IN_USE. */
export async function openStateFolder(path: string): Promise<StateFolder> {
  const dir = resolve(path);
  const identityDir = join(dir, identityName);
  await writing(dir, async () => {
    await mkdir(identityDir, { recursive: true, mode: 0o700 });
    // Whoever may write here may put another key in the place of ours.
    await chmod(dir, 0o700);
    await chmod(identityDir, 0o700);
  });
  await using opened = new AsyncDisposableStack();
  opened.use(await holdFolder(dir, remedy));
  const pidFile = join(dir, pidName);
  await writing(dir, () => replaceFile(pidFile, { text: `${process.pid}\n`, mode: 0o600 }));
  opened.defer(() => rm(pidFile, { force: true }));
  const owned = opened.move();
  return {
    dir,
    identityDir,
    sidecarFile: join(dir, sidecarName),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const identityName = "svid";
const sidecarName = "sidecar.yaml";
const pidName = "pid";

/** Which process holds the folder; undefined: none. Throws MESH_FILE_UNREADABLE (it is not there, or not to be read). */
export async function holderOf(path: string): Promise<number | undefined> {
  const dir = resolve(path);
  try {
    const lock = await holdFolder(dir, remedy);
    await lock[Symbol.asyncDispose]();
    return undefined;
  } catch (thrown) {
    if (codeOf(thrown) !== "MESH_FOLDER_IN_USE") {
      const message = `Cannot read folder "${dir}": ${reasonOf(thrown)}`;
      throw new MeshError("MESH_FILE_UNREADABLE", message, { cause: thrown });
    }
  }
  const pid = Number((await readText(join(dir, pidName))).trim());
  if (Number.isSafeInteger(pid) && pid > 1) return pid;
  throw new MeshError("MESH_FILE_UNREADABLE", `Cannot read "${join(dir, pidName)}": no process`);
}

/** Takes away all that a VM keeps, and the folder, if nobody put anything else into it. Throws MESH_FILE_UNWRITABLE. */
export async function removeState({ dir, identityDir, sidecarFile }: StateFolder): Promise<void> {
  await writing(dir, async () => {
    await rm(identityDir, { recursive: true, force: true });
    await rm(sidecarFile, { force: true });
    await rm(join(dir, pidName), { force: true });
    await rmdir(dir).catch((thrown: unknown) => {
      // Of a folder that systemd keeps, its parent may be closed to us; what is in it is gone all the same.
      if (!["ENOTEMPTY", "EBUSY", "EACCES", "EPERM"].includes(codeOf(thrown) ?? "")) throw thrown;
    });
  });
}

/** Says which folder could not be written, and what is to be done. Throws MESH_FILE_UNWRITABLE for errors of the system. */
export async function writing<T>(dir: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    if (cause instanceof MeshError || codeOf(cause) === undefined) throw cause;
    const truth = remedies[codeOf(cause) ?? ""] ?? reasonOf(cause);
    throw new MeshError("MESH_FILE_UNWRITABLE", `Cannot write to "${dir}": ${truth}`, { cause });
  }
}

const asOther = "this user may not; run it as root, or name a folder of your own with --dir";
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; nothing was replaced, run it again when there is room",
  EDQUOT: "the disk quota is used up; nothing was replaced, run it again when there is room",
  EROFS: "the file system is read-only",
  // What Node makes of EROFS where it makes several folders at once.
  ENOENT: "no folder can be made there; is the file system read-only?",
  EACCES: asOther,
  EPERM: asOther,
  EEXIST: "there is a file of that name; --dir names a folder",
  ENOTDIR: "a part of the path is a file; --dir names a folder",
};

const remedy = "end that one first, or name another folder with --dir";
