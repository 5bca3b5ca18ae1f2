import type { BigIntStats } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { codeOf, reasonOf } from "../../../mesh/errors.ts";
import type { SourceFinding } from "../../sources/source-finding.ts";
import { printable } from "../../sources/source-finding.ts";

/** A file as it lies on disk. */
export interface ListedFile {
  /** Path as findings show it. */
  readonly file: string;
  /** Changes whenever the content may have changed. */
  readonly signature: string;
}

export type FolderListing =
  | {
      readonly t: "listed";
      readonly files: readonly ListedFile[];
      /** Every folder that was read. */
      readonly folders: readonly string[];
      /** Folders below that could not be read: nothing is known of their files. */
      readonly blind: readonly string[];
      readonly findings: readonly SourceFinding[];
    }
  | { readonly t: "unreadable"; readonly reason: string };

export type FileReading = ListedFile &
  (
    | { readonly t: "read"; readonly text: string; readonly modifiedMs: number }
    | { readonly t: "refused"; readonly finding: SourceFinding }
    | { readonly t: "gone" }
  );

const extensions = new Set([".yaml", ".yml", ".json"]);
const maxFileBytes = 8 * 1024 * 1024;
// Bounds against a folder that was named by mistake, such as "/".
const maxFiles = 10_000;
const maxDepth = 8;

interface Walk {
  /** Folders on the way, by device and inode: a link may lead back into one. */
  readonly seen: Set<string>;
  readonly files: ListedFile[];
  readonly folders: string[];
  readonly blind: string[];
  readonly findings: SourceFinding[];
}

/** All manifests of a folder and those below, in the order of their names. Hidden entries are left out. */
export async function listManifestFiles(folder: string): Promise<FolderListing> {
  const walk: Walk = { seen: new Set(), files: [], folders: [], blind: [], findings: [] };
  try {
    walk.seen.add(identityOf(await stat(folder, { bigint: true })));
    await walkFolder(folder, { walk, depth: 0 });
  } catch (thrown) {
    return { t: "unreadable", reason: reasonOf(thrown) };
  }
  const { seen: _seen, ...listing } = walk;
  return { t: "listed", ...listing };
}

async function walkFolder(
  folder: string,
  { walk, depth }: { readonly walk: Walk; readonly depth: number },
): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  walk.folders.push(folder);
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  // Kubernetes mounts a ConfigMap as links into "..data"; editors hide their drafts.
  const visible = entries.filter(({ name }) => !name.startsWith("."));
  const candidates = visible.filter((entry) => !entry.isFile() || isManifestName(entry.name));
  const all = await Promise.all(candidates.map(({ name }) => statOf(join(folder, name))));
  for (const [index, { name }] of candidates.entries()) {
    const path = join(folder, name);
    const stats = all[index];
    if (stats?.isDirectory() && isNew(walk, stats))
      await walkBelow(path, { walk, depth: depth + 1 });
    else if (stats?.isFile() && isManifestName(name)) addFile(walk, { folder, path, stats });
  }
}

function isNew({ seen }: Walk, stats: BigIntStats): boolean {
  const identity = identityOf(stats);
  const isFirst = !seen.has(identity);
  seen.add(identity);
  return isFirst;
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

function isManifestName(name: string): boolean {
  return extensions.has(extname(name));
}

async function walkBelow(
  path: string,
  { walk, depth }: { readonly walk: Walk; readonly depth: number },
): Promise<void> {
  if (depth > maxDepth) {
    tooLarge(walk, path, `folders are read ${maxDepth} levels deep`);
    return;
  }
  try {
    await walkFolder(path, { walk, depth });
  } catch (thrown) {
    walk.blind.push(path);
    const message = `Cannot read folder "${path}": ${reasonOf(thrown)}; its last content stays in use`;
    walk.findings.push({
      code: "SOURCE_FOLDER_UNREADABLE",
      severity: "error",
      subject: path,
      message,
    });
  }
}

function addFile(
  walk: Walk,
  found: { readonly folder: string; readonly path: string; readonly stats: BigIntStats },
): void {
  if (walk.files.length < maxFiles) {
    walk.files.push({ file: found.path, signature: signatureOf(found.stats) });
    return;
  }
  tooLarge(walk, found.folder, `a source reads ${maxFiles} files`);
}

function tooLarge(walk: Walk, subject: string, limit: string): void {
  if (walk.findings.some(({ code }) => code === "SOURCE_FOLDER_TOO_LARGE")) return;
  const message = `Cannot read all of folder "${subject}": ${limit} at most; name the folder that holds the services`;
  walk.findings.push({ code: "SOURCE_FOLDER_TOO_LARGE", severity: "error", subject, message });
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch {
    // Gone since it was listed, or a link to nothing: the same as not listed.
    return undefined;
  }
}

function signatureOf(stats: BigIntStats): string {
  return `${identityOf(stats)}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
}

/** Reads a listed file as it is now; the signature is of what was read. */
export async function readManifestFile(listed: ListedFile): Promise<FileReading> {
  const { file } = listed;
  try {
    await using handle = await open(file, "r");
    const stats = await handle.stat({ bigint: true });
    if (stats.size > maxFileBytes) {
      const reason = `it has ${stats.size} bytes, at most ${maxFileBytes} are read; split it`;
      return refused("SOURCE_FILE_TOO_LARGE", { listed, reason });
    }
    const bytes = await handle.readFile();
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const modifiedMs = Number(stats.mtimeMs);
    return { t: "read", file, signature: signatureOf(stats), text, modifiedMs };
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return { t: "gone", ...listed };
    return refused("SOURCE_FILE_UNREADABLE", { listed, reason: reasonOf(thrown) });
  }
}

function refused(
  code: "SOURCE_FILE_TOO_LARGE" | "SOURCE_FILE_UNREADABLE",
  { listed, reason }: { readonly listed: ListedFile; readonly reason: string },
): FileReading {
  const subject = printable(listed.file);
  const message = printable(
    `Cannot read "${subject}": ${reason}; its last good content stays in use`,
  );
  return { t: "refused", ...listed, finding: { code, severity: "error", subject, message } };
}
