import { parseHubUrl } from "../../../discovery/io/catalog/redis/link/hub-url.ts";
import type { Charter } from "../../../mesh/charter.ts";
import { MeshError } from "../../../mesh/errors.ts";
import { loadCharterOf } from "../../../trust/io/member-files.ts";
import type { ConfigProblem } from "../../config/config-parser.ts";
import { loadAgentConfig } from "../../config/load-config.ts";
import { type UserPasswords, userPasswords } from "./acl-passwords.ts";
import { type AclUser, aclLine, aclUsers } from "./acl-text.ts";

export interface AclWords {
  /** `charter.json`, or its folder. */
  readonly charter: string | undefined;
  readonly config: string | undefined;
  readonly passwordDir: string | undefined;
  readonly isWhole: boolean;
  readonly hasReplicas: boolean;
}

export interface WrittenAcl {
  readonly mesh: string;
  readonly charter: number;
  readonly users: readonly (AclUser & {
    readonly line: string;
    readonly passwords: UserPasswords | undefined;
  })[];
  /** Members of the charter that get no user any more. */
  readonly denied: readonly string[];
}

export type AclAnswer =
  | { readonly t: "ok"; readonly acl: WrittenAcl }
  | { readonly t: "misconfigured"; readonly problems: readonly ConfigProblem[] };

/** Throws MESH_USAGE, MESH_FILE_UNREADABLE, MESH_TRUST_CHARTER_REFUSED and MESH_TRUST_KEY_FILE_UNSAFE. */
export async function writeAcl(words: AclWords): Promise<AclAnswer> {
  const { config: file } = words;
  if (file === undefined) {
    if (words.charter === undefined) {
      const truth = "name the charter with --charter, or the agent's file with --config";
      throw new MeshError("MESH_USAGE", `Cannot write users: ${truth}`);
    }
    const { charter } = await loadCharterOf(words.charter);
    return { t: "ok", acl: await aclOf(charter, words) };
  }
  const parsed = loadAgentConfig(file);
  if (parsed.t === "invalid") return { t: "misconfigured", problems: parsed.problems };
  const { trust, catalog } = parsed.config;
  const { charter } = await loadCharterOf(words.charter ?? trust.dir);
  const shapes = (catalog.hubs ?? []).map(({ url }) => parseHubUrl(url).t);
  const hasReplicas = words.hasReplicas || shapes.some((shape) => shape !== "standalone");
  return { t: "ok", acl: await aclOf(charter, { ...words, hasReplicas }) };
}

async function aclOf(charter: Charter, words: AclWords): Promise<WrittenAcl> {
  const users: WrittenAcl["users"][number][] = [];
  for (const user of aclUsers(charter, words)) {
    const needsPassword = user.isOn && words.passwordDir !== undefined;
    const passwords = needsPassword
      ? await userPasswords(words.passwordDir ?? "", user.name)
      : undefined;
    users.push({ ...user, passwords, line: aclLine(user, passwords?.hashes ?? []) });
  }
  const denied = charter.members.filter(({ state }) => state === "denied").map(({ name }) => name);
  return { mesh: charter.mesh, charter: charter.number, users, denied };
}
