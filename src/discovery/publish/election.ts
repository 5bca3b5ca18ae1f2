/** One contender, as the others are told of it. */
export interface Contender {
  /** As in `ShardOwner`. */
  readonly instance: string;
  readonly host: string;
}

export type Leadership =
  /** Nobody has answered yet who leads. */
  | { readonly t: "unknown" }
  | { readonly t: "leader" }
  /** It led, cannot show it any more, and has not seen another one lead: others may, at any moment. */
  | { readonly t: "doubtful" }
  /** Somebody else leads; undefined: nobody, for now. */
  | { readonly t: "follower"; readonly holder: Contender | undefined };

/** Who of several agents of one member writes, decided outside of the hubs. */
export interface Election {
  readonly leadership: () => Leadership;
  /** After each change; returns its own cancellation. */
  readonly onChange: (listener: () => void) => () => void;
  /** Names the election: contenders of another one are strangers. Undefined while `leadership` is unknown. */
  readonly id: () => string | undefined;
  /** Highest epoch that any leader recorded. */
  readonly epoch: () => number;
  /** Lets those who lead later know; false when that was not possible now. */
  readonly recordEpoch: (epoch: number) => Promise<boolean>;
}

/** What writers besides the shard's need to know: one of several agents does what is written once. */
export interface LeaderPort {
  readonly isLeader: () => boolean;
  /** After each change; returns its own cancellation. */
  readonly onChange: (listener: (isLeader: boolean) => void) => () => void;
}

/** Who only cannot show any more that it leads does not lead. */
export function leaderPortOf(election: Pick<Election, "leadership" | "onChange">): LeaderPort {
  const isLeader = (): boolean => election.leadership().t === "leader";
  return {
    isLeader,
    onChange: (listener) => {
      let was = isLeader();
      return election.onChange(() => {
        const is = isLeader();
        if (is !== was) listener(is);
        was = is;
      });
    },
  };
}
