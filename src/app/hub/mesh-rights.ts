import { charterIndexKey, keyPrefix, shardKeys } from "../../discovery/io/catalog/redis/keys.ts";
import type { MemberName, MeshDomain } from "../../mesh/ids.ts";

/** What the store calls, inside its scripts too. A test runs its contract with exactly these. */
const storeCommands = [
  "ping",
  "client|setname",
  "type",
  "eval",
  "evalsha",
  "eval_ro",
  "evalsha_ro",
  "get",
  "getrange",
  "set",
  "del",
  "hset",
  "hdel",
  "hlen",
  "hgetall",
  "xadd",
  "xread",
  "zadd",
  "zrevrangebyscore",
  "cluster|slots",
] as const;

/** What `hub check` asks with the member's own login. None of it tells a secret or changes anything. */
const checkCommands = [
  "info",
  "time",
  "acl|whoami",
  "exists",
  "xlen",
  "memory|usage",
  "multi",
  "discard",
  "cluster|info",
  "cluster|keyslot",
] as const;

export const memberCommands: readonly string[] = [...storeCommands, ...checkCommands];

/** Patterns as `ACL SETUSER` takes them: everything of the mesh is read, only the own part is written. */
export function memberKeyRules(mesh: MeshDomain, member: MemberName): readonly string[] {
  const prefix = keyPrefix(mesh);
  return [`%R~${prefix}*`, `~${prefix}${member}:*`, `~${charterIndexKey(mesh)}`];
}

/** Some commands that stand for one right. They are judged, never run. */
export interface Trial {
  /** `write the keys of another member` */
  readonly what: string;
  readonly commands: readonly (readonly string[])[];
  /** A right that is needed is there when all are allowed, one too many when any is. */
  readonly wants: "all" | "any";
}

// If a server took it for a real call in spite of everything, it would refuse this argument.
const onlyAsking = "ISTHMUS-ONLY-ASKS";

/** What a member does every few seconds. */
export function neededOf(mesh: MeshDomain, member: MemberName): readonly Trial[] {
  const { records, log, head, charter } = shardKeys(mesh, member);
  return [
    {
      what: "publish its shard",
      wants: "all",
      commands: [
        ["EVAL", "return 1", "3", head, records, log],
        ["HSET", records, "member", "{}"],
        ["XADD", log, "*", "f", "v"],
        ["SET", head, "x"],
      ],
    },
    {
      what: "follow the others",
      wants: "all",
      commands: [
        ["XREAD", "COUNT", "1", "STREAMS", log, "0-0"],
        ["GETRANGE", head, "0", "9"],
        ["EVAL_RO", "return 1", "2", head, records],
        ["HGETALL", records],
      ],
    },
    {
      what: "pass the charter on",
      wants: "all",
      commands: [
        ["SET", charter, "x"],
        ["ZADD", charterIndexKey(mesh), "1", member],
      ],
    },
  ];
}

/**
 * What must be denied to a member, so that one that is taken over changes nothing but its own. It can still hang
 * or fill the hub, because it runs scripts and writes.
 */
export function beyondOf(mesh: MeshDomain, other: MemberName): readonly Trial[] {
  const { records, log, head } = shardKeys(mesh, other);
  const outside = `not-of-isthmus:{${mesh}}`;
  const any = (what: string, ...commands: readonly (readonly string[])[]): Trial => ({
    what,
    wants: "any",
    commands,
  });
  return [
    any(
      "write the keys of other members",
      ["EVAL", "return 1", "1", head],
      ["SET", head, ""],
      ["DEL", head],
      ["HSET", records, "member", ""],
      ["XADD", log, "*", "f", ""],
    ),
    any("write keys outside the mesh", ["SET", outside, ""], ["DEL", outside]),
    any("FLUSHALL", ["FLUSHALL", onlyAsking]),
    any("change the server's settings", ["CONFIG", "SET", "maxmemory-policy", onlyAsking]),
    any("change users", ["ACL", "SETUSER", "isthmus-only-asks", onlyAsking]),
    any("publish to channels", ["PUBLISH", "isthmus-only-asks", ""]),
  ];
}
