/** Some commands that stand for one right. They are judged, never run. */
export interface Trial {
  /** `write the keys of another member` */
  readonly what: string;
  readonly commands: readonly (readonly string[])[];
  /** A right that is needed is there when all are allowed, one too many when any is. */
  readonly wants: "all" | "any";
}

export function keyOf(mesh: string, member: string, part: string): string {
  return `isthmus:{${mesh}}:${member}:${part}`;
}

// If a server took it for a real call in spite of everything, it would refuse this argument.
const onlyAsking = "ISTHMUS-ONLY-ASKS";

/** What a member does every few seconds. */
export function neededOf(own: {
  readonly mesh: string;
  readonly member: string;
}): readonly Trial[] {
  const key = (part: string): string => keyOf(own.mesh, own.member, part);
  return [
    {
      what: "publish its shard",
      wants: "all",
      commands: [
        ["EVAL", "return 1", "3", key("records"), key("log"), key("head")],
        ["HSET", key("records"), "member", "{}"],
        ["XADD", key("log"), "*", "f", "v"],
        ["SET", key("head"), "x"],
      ],
    },
    {
      what: "follow the others",
      wants: "all",
      commands: [
        ["XREAD", "COUNT", "1", "STREAMS", key("log"), "0-0"],
        ["MGET", key("head")],
        ["HGETALL", key("records")],
      ],
    },
  ];
}

/** What must be denied to a member, so that one that is taken over harms nobody but itself. */
export function beyondOf(about: {
  readonly mesh: string;
  readonly other: string;
}): readonly Trial[] {
  const key = (part: string): string => keyOf(about.mesh, about.other, part);
  return [
    {
      what: "write the keys of other members",
      wants: "any",
      commands: [
        ["EVAL", "return 1", "1", key("head")],
        ["SET", key("head"), ""],
        ["DEL", key("head")],
        ["HSET", key("records"), "member", ""],
        ["XADD", key("log"), "*", "f", ""],
      ],
    },
    {
      what: "write keys outside the mesh",
      wants: "any",
      commands: [
        ["SET", `not-of-isthmus:{${about.mesh}}`, ""],
        ["DEL", `not-of-isthmus:{${about.mesh}}`],
      ],
    },
    { what: "FLUSHALL", wants: "any", commands: [["FLUSHALL", onlyAsking]] },
    {
      what: "change the server's settings",
      wants: "any",
      commands: [["CONFIG", "SET", "maxmemory-policy", onlyAsking]],
    },
    {
      what: "change users",
      wants: "any",
      commands: [["ACL", "SETUSER", "isthmus-only-asks", onlyAsking]],
    },
    { what: "publish to channels", wants: "any", commands: [["PUBLISH", "isthmus-only-asks", ""]] },
  ];
}
