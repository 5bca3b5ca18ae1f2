import { constants } from "node:fs";
import { open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

let stagings = 0;

/**
 * Replaces one file so that readers and crashes see the old content or the new, never half of it.
 * Rejects as the file system does, and then leaves nothing behind.
 */
export async function replaceFile(
  path: string,
  content: { readonly text: string; readonly mode: number },
): Promise<void> {
  stagings += 1;
  const staging = join(dirname(path), `.${basename(path)}.${process.pid}.${stagings}.tmp`);
  await removeLeftovers(path);
  await rm(staging, { force: true });
  try {
    await writeSynced(staging, content);
    await rename(staging, path);
  } catch (thrown) {
    await rm(staging, { force: true });
    throw thrown;
  }
  await syncDir(dirname(path));
}

/** A rename is on disk only when its folder is. */
export async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeSynced(
  path: string,
  { text, mode }: { readonly text: string; readonly mode: number },
): Promise<void> {
  // O_EXCL with its mode from the start: a secret is never readable by others, not even for an instant.
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** What a process that died in between left: it may hold a key. */
async function removeLeftovers(path: string): Promise<void> {
  const [dir, start] = [dirname(path), `.${basename(path)}.`];
  const isLeftover = (name: string): boolean =>
    name.startsWith(start) && name.endsWith(".tmp") && !name.startsWith(`${start}${process.pid}.`);
  for (const name of await readdir(dir)) {
    if (isLeftover(name)) await rm(join(dir, name), { force: true });
  }
}
