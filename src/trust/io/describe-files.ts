import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Description } from "../describe.ts";
import { describeText } from "../describe.ts";
import { readKeyFile, readText } from "./safe-files.ts";

export interface FileDescription {
  readonly file: string;
  readonly content: readonly Description[];
}

/** What these files hold; a folder stands for its `*.pem`, `*.key` and `charter.json`. */
export async function describeFiles(paths: readonly string[]): Promise<readonly FileDescription[]> {
  const files = await Promise.all(paths.map(filesUnder));
  return await Promise.all(
    files.flat().map(async (file) => ({ file, content: await describeFile(file) })),
  );
}

async function describeFile(file: string): Promise<readonly Description[]> {
  try {
    if (!file.endsWith(".key")) return describeText(await readText(file));
    return describeText((await readKeyFile(file)).reveal());
  } catch (thrown) {
    if (!(thrown instanceof MeshError)) throw thrown;
    return [{ t: "unreadable", reason: reasonOf(thrown) }];
  }
}

async function filesUnder(path: string): Promise<readonly string[]> {
  const isFolder = await stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (!isFolder) return [path];
  const names = await readdir(path);
  const isOurs = (name: string): boolean => /\.(?:pem|key)$|^charter\.json$/.test(name);
  return names
    .filter(isOurs)
    .sort()
    .map((name) => join(path, name));
}
