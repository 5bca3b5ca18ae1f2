import { type Charter, charterMember } from "../../mesh/charter.ts";
import { MeshError } from "../../mesh/errors.ts";
import { parseMemberName } from "../../mesh/ids.ts";
import type { TrustedCharter } from "../../trust/charter.ts";
import { withoutDenial, withStanding } from "../../trust/charter-edit.ts";
import { formatCharterFile, parseCharterFile } from "../../trust/charter-file.ts";
import { loadCharterOf } from "../../trust/io/member-files.ts";
import { raisedWith, raiseInFolder } from "../../trust/io/root-folder.ts";
import type { AgentConfig } from "../config/config.ts";
import { didYouMean } from "../nearest.ts";

/** A charter that lies in a root's folder, as agents take it. */
export interface FolderCharter {
  readonly number: number;
  /** `charter.json` */
  readonly file: string;
}

/** What can be said of a member's standing. */
export type StandingVerb = "deny" | "allow";

/**
 * Denies a member, or allows it again, with the key in the root's folder, and writes the charter there. `newest`: the
 * `charter.json` of an agent, whose charters may be newer than the folder's. Throws as `raiseInFolder`.
 */
export async function standInFolder(
  words: StandingWords & { readonly dir: string },
): Promise<FolderCharter> {
  const { dir, newest } = words;
  const edit = editFor(words);
  return folderCharter(await raiseInFolder({ dir, edit, newest: parseCharterFile(newest) }));
}

/**
 * The same with the key that `trust.signer` of an agent names: who may read it may deny. Throws
 * MESH_TRUST_SIGNER_MISSING, MESH_USAGE and as `raisedWith`.
 */
export async function standByAgent(
  { trust, member }: AgentConfig,
  words: StandingWords,
): Promise<FolderCharter> {
  const { verb, name, newest } = words;
  if (trust.signer === undefined) {
    throw new MeshError(
      "MESH_TRUST_SIGNER_MISSING",
      `Cannot ${verb} member "${name}": this agent.yaml has no trust.signer; name the root's folder by --dir`,
    );
  }
  if (parseMemberName(name) === member.name) {
    throw new MeshError(
      "MESH_USAGE",
      `Cannot ${verb} member "${name}": it is this agent's own; do it at another member's`,
    );
  }
  const own = await loadCharterOf(trust.dir);
  const edit = editFor(words);
  return folderCharter(
    await raisedWith(trust.signer, { own, edit, newest: parseCharterFile(newest) }),
  );
}

interface StandingWords {
  readonly verb: StandingVerb;
  readonly name: string;
  /** `charter.json` */
  readonly newest: string;
}

/** Leaves a charter that says so already as it is. Throws MESH_ID_INVALID; the edit MESH_NOT_FOUND. */
function editFor({ verb, name: written }: StandingWords): (charter: Charter) => Charter {
  const name = parseMemberName(written);
  const nowMs = Date.now();
  return (charter) => {
    const entry = charterMember(charter, name);
    if (entry === undefined) {
      const known = charter.members.map((one) => one.name);
      throw new MeshError(
        "MESH_NOT_FOUND",
        `Cannot ${verb} member "${name}": the charter does not have it${didYouMean(name, known)}`,
      );
    }
    if ((entry.state === "denied") === (verb === "deny")) return charter;
    return verb === "deny"
      ? withStanding(charter, { name, state: "denied", nowMs })
      : withoutDenial(charter, { name, nowMs });
  };
}

/** Of the root's folder, or one to which its `charter.json` and `bundle.pem` were carried. Throws as `loadCharterOf`. */
export async function charterInFolder(dir: string): Promise<FolderCharter> {
  return folderCharter(await loadCharterOf(dir));
}

function folderCharter({ charter, signed }: TrustedCharter): FolderCharter {
  return { number: charter.number, file: formatCharterFile(signed) };
}
