import { type Charter, charterMember } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import { type MemberName, parseMemberName } from "../../mesh/ids.ts";
import type { TrustedCharter } from "../../trust/charter.ts";
import { withStanding } from "../../trust/charter-edit.ts";
import { formatCharterFile, parseCharterFile } from "../../trust/charter-file.ts";
import { loadCharterOf, loadRoot } from "../../trust/io/member-files.ts";
import { raisedWith, raiseInFolder } from "../../trust/io/root-folder.ts";
import type { AgentConfig } from "../config/config.ts";
import { didYouMean } from "../nearest.ts";

/** A charter that lies in a root's folder, as agents take it. */
export interface FolderCharter {
  readonly number: number;
  /** `charter.json` */
  readonly file: string;
}

/**
 * Denies a member with the key in the root's folder, and writes the charter there. `newest`: the `charter.json` of
 * an agent, whose charters may be newer than the folder's. Throws as `raiseInFolder`.
 */
export async function denyInFolder(
  words: DenyWords & { readonly dir: string },
): Promise<FolderCharter> {
  const { dir, name, newest } = words;
  const edit = denying(parseMemberName(name), Date.now());
  return folderCharter(await raiseInFolder({ dir, edit, newest: parseCharterFile(newest) }));
}

/**
 * Denies a member with the key that `trust.signer` of an agent names: who may read it may deny. Throws
 * MESH_TRUST_SIGNER_MISSING, MESH_USAGE and as `raisedWith`.
 */
export async function denyByAgent(
  { trust, member }: AgentConfig,
  { name: written, newest }: DenyWords,
): Promise<FolderCharter> {
  const name = parseMemberName(written);
  if (trust.signer === undefined) {
    throw new MeshError(
      "MESH_TRUST_SIGNER_MISSING",
      `Cannot deny member "${name}": this agent.yaml has no trust.signer; name the root's folder by --dir`,
    );
  }
  if (name === member.name) {
    throw new MeshError(
      "MESH_USAGE",
      `Cannot deny member "${name}": it is this agent's own; do it at another member's`,
    );
  }
  const own = await loadCharterOf(trust.dir);
  const edit = denying(name, Date.now());
  return folderCharter(
    await raisedWith(trust.signer, { own, edit, newest: parseCharterFile(newest) }),
  );
}

interface DenyWords {
  readonly name: string;
  /** `charter.json` */
  readonly newest: string;
}

/** Leaves a charter that denies it as it is. Throws MESH_NOT_FOUND. */
function denying(name: MemberName, nowMs: number): (charter: Charter) => Charter {
  return (charter) => {
    const entry = charterMember(charter, name);
    if (entry?.state === "denied") return charter;
    if (entry !== undefined) return withStanding(charter, { name, state: "denied", nowMs });
    const known = charter.members.map((one) => one.name);
    throw new MeshError(
      "MESH_NOT_FOUND",
      `Cannot deny member "${name}": the charter does not have it${didYouMean(name, known)}`,
    );
  };
}

/** Throws as reading the root does. */
export async function charterInFolder(dir: string): Promise<FolderCharter> {
  const { charter } = await loadRoot(dir);
  return folderCharter(charter);
}

function folderCharter({ charter, signed }: TrustedCharter): FolderCharter {
  return { number: charter.number, file: formatCharterFile(signed) };
}
