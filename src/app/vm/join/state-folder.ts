import { chmod, mkdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { codeOf, MeshError, reasonOf } from "../../../mesh/errors.ts";

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
  const identityDir = join(dir, "svid");
  await writing(dir, async () => {
    await mkdir(identityDir, { recursive: true, mode: 0o700 });
    // Whoever may write here may put another key in the place of ours.
    await chmod(dir, 0o700);
    await chmod(identityDir, 0o700);
  });
  const lock = await holdFolder(dir);
  return {
    dir,
    identityDir,
    sidecarFile: join(dir, "sidecar.yaml"),
    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
  };
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
  EACCES: asOther,
  EPERM: asOther,
  EEXIST: "there is a file of that name; --dir names a folder",
  ENOTDIR: "a part of the path is a file; --dir names a folder",
};

/**
 * A name that the kernel gives to one process and takes back when that ends, however it ends. Made of the
 * folder itself, so that two paths to it are one.
 */
async function holdFolder(dir: string): Promise<AsyncDisposable> {
  const { dev, ino } = await stat(dir);
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((done, failed) => {
      server.once("error", failed);
      server.listen({ path: `\0isthmus-vm-${dev}-${ino}` }, done);
    });
  } catch (cause) {
    const truth =
      codeOf(cause) === "EADDRINUSE"
        ? "another process of isthmus works with it; end that one first, or name another folder with --dir"
        : reasonOf(cause);
    throw new MeshError("MESH_FOLDER_IN_USE", `Cannot use folder "${dir}": ${truth}`, { cause });
  }
  server.unref();
  return {
    [Symbol.asyncDispose]: () => new Promise((done) => void server.close(() => done())),
  };
}
