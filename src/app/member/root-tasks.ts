import { parseMemberName } from "../../mesh/ids.ts";
import type { TrustedCharter } from "../../trust/charter.ts";
import { withStanding } from "../../trust/charter-edit.ts";
import { formatCharterFile, parseCharterFile } from "../../trust/charter-file.ts";
import { loadRoot } from "../../trust/io/member-files.ts";
import { raiseInFolder } from "../../trust/io/root-folder.ts";

/** A charter that lies in a root's folder, as agents take it. */
export interface FolderCharter {
  readonly number: number;
  /** `charter.json` */
  readonly file: string;
}

/**
 * Denies a member in the root's folder. `newest`: the `charter.json` of an agent, whose charters may be newer
 * than the folder's. Throws as `raiseInFolder`.
 */
export async function denyInFolder(words: {
  readonly name: string;
  readonly dir: string;
  readonly newest: string | undefined;
}): Promise<FolderCharter> {
  const name = parseMemberName(words.name);
  const { dir, newest } = words;
  const nowMs = Date.now();
  return folderCharter(
    await raiseInFolder({
      dir,
      edit: (charter) => withStanding(charter, { name, state: "denied", nowMs }),
      ...(newest === undefined ? {} : { newest: parseCharterFile(newest) }),
    }),
  );
}

/** Throws as reading the root does. */
export async function charterInFolder(dir: string): Promise<FolderCharter> {
  const { charter } = await loadRoot(dir);
  return folderCharter(charter);
}

function folderCharter({ charter, signed }: TrustedCharter): FolderCharter {
  return { number: charter.number, file: formatCharterFile(signed) };
}
