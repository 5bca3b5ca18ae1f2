import { stat } from "node:fs/promises";
import { codeOf } from "../../mesh/errors.ts";

/**
 * Root works with the rights of the folder's owner: files are the agent's then, and a link that the owner put
 * there leads root nowhere that the owner could not go.
 */
export async function asUser<T>(
  user: { readonly uid: number; readonly gid: number },
  work: () => Promise<T>,
): Promise<T> {
  const { geteuid, seteuid, setegid } = process;
  const isRoot = geteuid?.call(process) === 0 && user.uid !== 0;
  if (!isRoot || seteuid === undefined || setegid === undefined) return await work();
  setegid.call(process, user.gid);
  seteuid.call(process, user.uid);
  try {
    return await work();
  } finally {
    seteuid.call(process, 0);
    setegid.call(process, 0);
  }
}

/** Rejects where others may put files into the folder. One that is not there yet is nobody's. */
export async function checkOwned(dir: string): Promise<void> {
  const found = await stat(dir).catch((thrown: unknown) => {
    if (codeOf(thrown) === "ENOENT") return undefined;
    throw thrown;
  });
  if (found === undefined) return;
  const own = process.geteuid?.() ?? 0;
  if (found.uid !== own && found.uid !== 0) {
    throw new Error(`"${dir}" belongs to another user (uid ${found.uid})`);
  }
  if ((found.mode & 0o022) !== 0) throw new Error(`others may write to "${dir}": chmod 700`);
}
