import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { chmod, mkdir, open, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf, MeshError, reasonOf } from "../../mesh/errors.ts";
import { replaceFile } from "../../mesh/io/replace-file.ts";
import { Secret } from "../../mesh/secret.ts";

// Nothing here is large; a stray device or log must not be read whole.
const maxFileBytes = 4 * 1024 * 1024;

/** Throws MESH_FILE_UNREADABLE. */
export async function readText(path: string): Promise<string> {
  return await reading(path, async (file) => await readBounded(path, file));
}

/**
 * Reads a private key's file. Refused unless it is a plain file of this user (or root) that nobody
 * else can read, in a folder where nobody else can put another in its place: a key that others could
 * have read is not a key any more. A link is followed inside its own folder only, as Kubernetes lays
 * out its volumes. Throws MESH_TRUST_KEY_FILE_UNSAFE and MESH_FILE_UNREADABLE.
 */
export async function readKeyFile(path: string): Promise<Secret> {
  const real = await realPathInside(path);
  const folder = await stat(dirname(real));
  // Sticky folders are shared ones in which only the owner may replace a file.
  if ((folder.mode & 0o022) !== 0 && (folder.mode & 0o1000) === 0) {
    return unsafe(path, `others may replace it (folder mode ${octal(folder.mode)})`);
  }
  return await reading(real, async (file) => {
    const { mode, uid } = await file.stat();
    if ((mode & 0o077) !== 0) {
      return unsafe(path, `others may read or write it (mode ${octal(mode)})`);
    }
    const own = process.getuid?.();
    if (own !== undefined && uid !== own && uid !== 0) {
      return unsafe(path, `it belongs to another user (uid ${uid})`);
    }
    return new Secret(await readBounded(path, file));
  });
}

async function realPathInside(path: string): Promise<string> {
  const [real, folder] = await Promise.all([realpath(path), realpath(dirname(path))]).catch(
    (cause: unknown) => unreadable(path, cause),
  );
  return real.startsWith(join(folder, "/")) ? real : unsafe(path, "it is a link out of its folder");
}

function octal(mode: number): string {
  return `0${(mode & 0o777).toString(8)}`;
}

async function reading<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  // Without O_NONBLOCK a named pipe would be waited for.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((cause: unknown) => unreadable(path, cause));
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function unreadable(path: string, cause: unknown): never {
  throw new MeshError("MESH_FILE_UNREADABLE", `Cannot read "${path}": ${reasonOf(cause)}`, {
    cause,
  });
}

async function readBounded(path: string, file: FileHandle): Promise<string> {
  const info = await file.stat();
  if (!info.isFile() || info.size > maxFileBytes) {
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot read "${path}": it is no small plain file`);
  }
  return await file.readFile("utf8");
}

function unsafe(path: string, truth: string): never {
  throw new MeshError("MESH_TRUST_KEY_FILE_UNSAFE", `Cannot use "${path}": ${truth}`);
}

export interface FileContent {
  readonly name: string;
  readonly content: string | Secret;
}

/** Replaces one file whole; a secret is readable by its owner alone. Rejects as `replaceFile`. */
export async function saveFile(path: string, content: string | Secret): Promise<void> {
  const isSecret = content instanceof Secret;
  const text = isSecret ? content.reveal() : content;
  await replaceFile(path, { text, mode: isSecret ? 0o600 : 0o644 });
}

/** Writes files into one folder, in order: put last what makes the others count. */
export async function saveFiles(dir: string, files: readonly FileContent[]): Promise<void> {
  for (const { name, content } of files) await saveFile(join(dir, name), content);
}

/** Makes a private folder. Throws as `checkEmpty`. */
export async function makeEmptyDir(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await checkEmpty(dir);
  await chmod(dir, 0o700);
}

/** What is in a folder might be the only copy of a key. Throws MESH_USAGE. */
export async function checkEmpty(dir: string): Promise<void> {
  const found = await readdir(dir).catch((thrown: unknown): readonly string[] => {
    if (codeOf(thrown) === "ENOENT") return [];
    throw new MeshError("MESH_USAGE", `Cannot write into "${dir}": ${reasonOf(thrown)}`, {
      cause: thrown,
    });
  });
  if (found.length === 0) return;
  throw new MeshError(
    "MESH_USAGE",
    `Cannot write into "${dir}": it is not empty, and nothing in it is ever overwritten`,
  );
}

/** Runs a parser, which knows no paths, and says of which file or folder it speaks when it refuses. */
export function parseOf<Result>(path: string, parse: () => Result): Result {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof MeshError)) throw cause;
    throw new MeshError(cause.code, `Cannot use "${path}": ${cause.message}`, { cause });
  }
}
