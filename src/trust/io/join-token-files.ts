import type { FileHandle } from "node:fs/promises";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, MeshError, reasonOf } from "../../mesh/errors.ts";
import { syncDir } from "../../mesh/io/replace-file.ts";
import type { JoinTokenRecord, JoinTokenUse, StoredToken } from "../join/join-grant.ts";
import { formatRecord, formatUse, parseRecord, parseUse } from "../join/join-record.ts";
import { asUser } from "./private-folder.ts";
import { readText } from "./safe-files.ts";

// One folder for each token: `token.json`, `use-1` … for each key it certified, `key-<digest>` to find a key
// among many without reading them, `revoked`. Files are only ever added, by O_EXCL, so that processes that share
// the folder need no lock.

const recordFile = "token.json";
const revokedFile = "revoked";

/** Where an agent with this state folder keeps its tokens. */
export function tokensDir(snapshotDir: string): string {
  return join(snapshotDir, "tokens");
}

/** Undefined: there is no such token. Rejects as the file system does, and when the file is damaged. */
export async function readRecord(dir: string, id: string): Promise<JoinTokenRecord | undefined> {
  const file = join(dir, id, recordFile);
  const text = await readText(file).catch(async (thrown: unknown) => {
    if (await isAbsent(file)) return undefined;
    throw thrown;
  });
  return text === undefined ? undefined : parseRecord(text);
}

export async function isRevoked(dir: string, id: string): Promise<boolean> {
  return !(await isAbsent(join(dir, id, revokedFile)));
}

/** Rejects as the file system does; EEXIST where it is revoked already. */
export async function writeRevoked(dir: string, id: string, atMs: number): Promise<void> {
  const folder = join(dir, id);
  await asUser(await stat(dir), async () => {
    await writeNew(join(folder, revokedFile), `${JSON.stringify({ atMs })}\n`);
    await syncDir(folder);
  });
}

/** All tokens, newest first; those that nobody can read are named in `damaged`. */
export async function readAll(
  dir: string,
): Promise<{ readonly tokens: readonly StoredToken[]; readonly damaged: readonly string[] }> {
  const tokens: StoredToken[] = [];
  const damaged: string[] = [];
  for (const id of await idsIn(dir)) {
    try {
      const token = await readStored(dir, id);
      if (token !== undefined) tokens.push(token);
    } catch {
      damaged.push(join(dir, id));
    }
  }
  tokens.sort((one, other) => other.record.createdAtMs - one.record.createdAtMs);
  return { tokens, damaged };
}

async function readStored(dir: string, id: string): Promise<StoredToken | undefined> {
  const record = await readRecord(dir, id);
  // Swept by another process meanwhile.
  if (record === undefined) return undefined;
  const times = (await isRevoked(dir, id)) ? { revokedAtMs: await revokedAt(dir, id) } : {};
  return { record, ...times, uses: await usesOf(dir, id) };
}

async function revokedAt(dir: string, id: string): Promise<number> {
  return Math.round((await stat(join(dir, id, revokedFile))).mtimeMs);
}

/** A use that a crash left without its words counts as taken, and says nothing. */
async function usesOf(dir: string, id: string): Promise<readonly JoinTokenUse[]> {
  const uses: JoinTokenUse[] = [];
  for (const name of await readdir(join(dir, id))) {
    if (!useName.test(name)) continue;
    const use = useIn(await readText(join(dir, id, name)));
    if (use !== undefined) uses.push(use);
  }
  return uses.sort((one, other) => one.atMs - other.atMs);
}

function useIn(text: string): JoinTokenUse | undefined {
  try {
    return parseUse(text);
  } catch {
    return undefined;
  }
}

const useName = /^use-\d{1,6}$/;

/** How often it was used, and whether for this key. */
export async function peekUses(
  dir: string,
  { id, keySha256 }: { readonly id: string; readonly keySha256: string },
): Promise<{ readonly taken: ReadonlySet<string>; readonly hasKey: boolean }> {
  const names = await readdir(join(dir, id));
  const taken = new Set(names.filter((name) => useName.test(name)));
  const keys = names.filter((name) => name.startsWith("key-"));
  if (keys.includes(`key-${keySha256}`)) return { taken, hasKey: true };
  // A crash came between a use and its mark: the use itself has to say whose it is.
  const isMarked = keys.length >= taken.size;
  const uses = isMarked ? [] : await usesOf(dir, id);
  return { taken, hasKey: uses.some((use) => use.keySha256 === keySha256) };
}

/** A use that no other process can take any more. */
export interface ReservedUse {
  /** Once it resolved, the use is on disk; when it rejects, the use is free again. */
  readonly keep: () => Promise<void>;
}

/** Undefined: another process has it. */
export async function reserveUse(
  dir: string,
  claim: { readonly id: string; readonly number: number; readonly use: JoinTokenUse },
): Promise<ReservedUse | undefined> {
  const folder = join(dir, claim.id);
  const file = join(folder, `use-${claim.number}`);
  const mark = join(folder, `key-${claim.use.keySha256}`);
  const handle = await open(file, "wx", 0o600).catch((thrown: unknown) => {
    if (codeOf(thrown) === "EEXIST") return undefined;
    throw thrown;
  });
  if (handle === undefined) return undefined;
  // Without it a retry reads all uses: slower, and as good.
  await writeFile(mark, "", { flag: "wx", mode: 0o600 }).catch(() => undefined);
  const keep = async (): Promise<void> => {
    try {
      await fill(handle, formatUse(claim.use));
      await syncDir(folder);
    } catch (thrown) {
      await rm(mark, { force: true });
      await rm(file, { force: true });
      throw thrown;
    }
  };
  return { keep };
}

/** Throws MESH_FILE_UNREADABLE with what to do. */
export async function writeToken(snapshotDir: string, record: JoinTokenRecord): Promise<void> {
  const owner = await stat(snapshotDir).catch((cause: unknown) => {
    const truth = `Cannot use "${snapshotDir}": ${reasonOf(cause)}; the agent makes it when it starts`;
    throw new MeshError("MESH_FILE_UNREADABLE", truth, { cause });
  });
  const dir = tokensDir(snapshotDir);
  try {
    await asUser(owner, () => writeStaged(dir, record));
  } catch (cause) {
    const truth = `Cannot write into "${dir}": ${reasonOf(cause)}; run this as the agent's user (uid ${owner.uid})`;
    throw new MeshError("MESH_FILE_UNREADABLE", truth, { cause });
  }
}

async function writeStaged(dir: string, record: JoinTokenRecord): Promise<void> {
  const staging = join(dir, `.${record.id}.tmp`);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  try {
    await mkdir(staging, { mode: 0o700 });
    await writeNew(join(staging, recordFile), formatRecord(record));
    await syncDir(staging);
    await rename(staging, join(dir, record.id));
    await syncDir(dir);
  } catch (thrown) {
    await rm(staging, { recursive: true, force: true });
    throw thrown;
  }
}

export async function removeToken(dir: string, id: string): Promise<void> {
  await rm(join(dir, id), { recursive: true, force: true });
}

export async function idsIn(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir).catch((thrown: unknown): readonly string[] => {
    if (codeOf(thrown) === "ENOENT") return [];
    throw new MeshError("MESH_FILE_UNREADABLE", `Cannot read "${dir}": ${reasonOf(thrown)}`, {
      cause: thrown,
    });
  });
  return names.filter((name) => /^[0-9a-f]{16}$/.test(name));
}

async function isAbsent(path: string): Promise<boolean> {
  try {
    await stat(path);
    return false;
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return true;
    throw thrown;
  }
}

/** Rejects where there is such a file, and then leaves that alone; else leaves nothing behind. */
async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await fill(file, text);
  } catch (thrown) {
    await rm(path, { force: true });
    throw thrown;
  }
}

async function fill(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
