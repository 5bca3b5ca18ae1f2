import type { Charter } from "../../../mesh/charter.ts";
import { MeshError } from "../../../mesh/errors.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import { memberCommands, memberKeyRules } from "../mesh-rights.ts";

/** One user of a hub. */
export interface AclUser {
  readonly name: string;
  /** Undefined: nobody's of the mesh. */
  readonly member: MemberName | undefined;
  readonly isOn: boolean;
  /** Keys, channels and commands, as `ACL SETUSER` takes them. */
  readonly rules: readonly string[];
}

// No member can be called like that: names of members have no underscore.
const operatorName = "isthmus_operator";
const replicaName = "isthmus_replica";
const sentinelName = "isthmus_sentinel";

/**
 * Who may do what in a hub: each member reads all of its mesh and writes its own keys. `isWhole` is a file
 * of its own, with an operator and without Redis's open default user; `hasReplicas` adds who replicates and
 * watches. Throws MESH_USAGE for a member whose user would be Redis's own.
 */
export function aclUsers(
  charter: Charter,
  options: { readonly isWhole: boolean; readonly hasReplicas: boolean },
): readonly AclUser[] {
  // A denied member has no user any more, so its connections end when the file is loaded.
  const members = charter.members.filter(({ state }) => state !== "denied");
  const users = members.map(({ name }) => memberUser(charter, name));
  if (!options.isWhole) return users;
  return [closedDefault, operator, ...(options.hasReplicas ? infrastructure : []), ...users];
}

/** A line of `users.acl`. Such a file knows no comments. Passwords are SHA-256, hex. */
export function aclLine(user: AclUser, passwords: readonly string[]): string {
  const state = user.isOn ? "on" : "off";
  const hashes = passwords.map((hash) => `#${hash}`);
  return ["user", user.name, state, ...hashes, "sanitize-payload", ...user.rules].join(" ");
}

function memberUser(charter: Charter, member: MemberName): AclUser {
  if (member === "default") {
    const truth = `member "default" would be Redis's own user`;
    throw new MeshError("MESH_USAGE", `Cannot write users of ${charter.mesh}: ${truth}`);
  }
  const commands = memberCommands.map((command) => `+${command}`);
  const keys = memberKeyRules(charter.mesh, member);
  return {
    name: member,
    member,
    isOn: true,
    rules: ["resetchannels", ...keys, "-@all", ...commands],
  };
}

const closedDefault: AclUser = {
  name: "default",
  member: undefined,
  isOn: false,
  rules: ["resetchannels", "-@all"],
};

// Without one nobody could load the next file.
const operator: AclUser = {
  name: operatorName,
  member: undefined,
  isOn: true,
  rules: ["~*", "&*", "+@all"],
};

/** Source: redis.io/docs, "ACL rules for Sentinel and Replicas". */
const infrastructure: readonly AclUser[] = [
  {
    name: replicaName,
    member: undefined,
    isOn: true,
    rules: ["resetchannels", "-@all", "+psync", "+replconf", "+ping"],
  },
  {
    name: sentinelName,
    member: undefined,
    isOn: true,
    rules: [
      "allchannels",
      "-@all",
      ..."multi exec ping info role publish subscribe slaveof config|rewrite client|setname client|kill script|kill"
        .split(" ")
        .map((command) => `+${command}`),
    ],
  },
];
