import { reasonOf } from "../../../mesh/errors.ts";
import type { Election } from "../../publish/election.ts";
import { isFarAhead, type ShardOwner } from "../../shards/head.ts";
import { createNameWatch } from "./name-watch.ts";
import { nameTaken, type OwnName, type OwnNameOptions } from "./own-name.ts";
import { pause } from "./waiting.ts";

type Turn =
  | { readonly t: "writes" }
  /** Undefined: nobody is known to write. */
  | { readonly t: "waits"; readonly holder: ShardOwner | undefined };

/**
 * The own name where an election gives it: whoever leads takes it at once from those who contend with it, and nobody takes
 * it from strangers. Source: docs/decisions/leader-by-lease.md
 */
export function createLeasedName(
  options: OwnNameOptions & { readonly election: Election },
): OwnName {
  const { member, election, log, clock } = options;
  const watch = createNameWatch(options);
  let turn: Turn = { t: "waits", holder: undefined };
  let hasLooked = false;
  let taking: Promise<void> | undefined;

  const isLeader = (): boolean => election.leadership().t === "leader";
  const isOurs = (owner: ShardOwner): boolean =>
    owner.instance === options.owner.instance || sharesLease(owner);
  const sharesLease = (owner: ShardOwner): boolean =>
    owner.lease !== undefined && owner.lease === election.id();

  /** Undefined: a living stranger holds the name, until whose silence this waits. */
  const lookAround = async (
    signal: AbortSignal,
    onStranger: (owner: ShardOwner) => void,
  ): Promise<number> => {
    const sight = await watch.look();
    ({ hasLooked } = sight);
    if (sight.heads.every(({ owner }) => isOurs(owner))) {
      return Math.max(0, ...sight.heads.map(({ epoch }) => epoch));
    }
    const onLife = (owner: ShardOwner): void => {
      if (!isOurs(owner)) onStranger(owner);
    };
    const silence = await watch.silence(signal, { onLife, mustSee: true, quorum: "every" });
    return silence.newest;
  };
  const take = async (
    signal: AbortSignal,
    onStranger: (owner: ShardOwner) => void,
  ): Promise<void> => {
    const newest = await lookAround(signal, onStranger);
    // It may have been somebody else's turn meanwhile.
    if (!isLeader()) return;
    await options.prepare();
    const recorded = election.epoch();
    // Not even a leader could be believed with it: somebody else wrote that.
    const isSound = !isFarAhead({ epoch: recorded }, clock.nowMs());
    turn = { t: "writes" };
    log.info({ member }, "Writes for this member");
    options.onTaken(Math.max(newest, isSound ? recorded : 0));
  };
  const onStranger = (owner: ShardOwner): void => {
    const isKnown = turn.t === "waits" && turn.holder?.instance === owner.instance;
    turn = { t: "waits", holder: owner };
    if (!isKnown) log.error({ member, owner }, "Another instance took over this member's name");
  };
  const takeLater = (): void => {
    taking ??= take(options.signal, onStranger)
      .catch((cause: unknown) => {
        if (options.signal.aborted) return;
        log.error({ member, reason: reasonOf(cause) }, "Cannot watch who holds a name");
      })
      .finally(() => {
        taking = undefined;
      });
  };
  const follow = (): void => {
    if (options.signal.aborted) return;
    const now = election.leadership();
    if (now.t === "leader" && turn.t === "waits") takeLater();
    // A leader in doubt goes on: nobody can lead in its place while the API server is away, and who does fences it.
    if (now.t !== "follower") return;
    const { holder } = now;
    if (turn.t === "writes")
      log.info({ member, owner: holder }, "Another replica writes, this one waits");
    if (turn.t === "writes" || holder !== undefined) turn = { t: "waits", holder };
  };

  return {
    claim: async (signal) => {
      await known(election, { ...options, signal });
      if (isLeader()) {
        await take(signal, (owner) => {
          throw nameTaken(member, owner);
        });
      }
      follow();
      const unfollow = election.onChange(follow);
      options.signal.addEventListener("abort", unfollow, { once: true });
    },
    yieldTo: (owner) => {
      if (turn.t === "waits" && turn.holder?.instance === owner.instance) return;
      if (!isOurs(owner)) onStranger(owner);
      // Who leads is in the right: the other one led before, and has not noticed yet.
      else if (!isLeader()) turn = { t: "waits", holder: owner };
      if (isLeader()) takeLater();
    },
    holder: () => (turn.t === "waits" ? turn.holder : undefined),
    isSilent: () => turn.t === "waits",
    isStandby: () => turn.t === "waits" && (turn.holder === undefined || isFriend(turn.holder)),
    hasLooked: () => hasLooked,
  };

  /** Whom the election names carries no lease. */
  function isFriend(owner: ShardOwner): boolean {
    const now = election.leadership();
    return isOurs(owner) || (now.t === "follower" && now.holder?.instance === owner.instance);
  }
}

const knownWithinMs = 5000;
const lookEveryMs = 50;

/** Waits until the election has said something, for a while: with the API server away an agent serves what it knows. */
async function known(
  election: Election,
  options: Pick<OwnNameOptions, "clock" | "timers" | "signal">,
): Promise<void> {
  const giveUpAtMs = options.clock.monotonicMs() + knownWithinMs;
  const isOpen = (): boolean => {
    const now = election.leadership();
    // Nobody holds it: it may be this one's in a moment.
    return now.t === "unknown" || (now.t === "follower" && now.holder === undefined);
  };
  while (isOpen() && options.clock.monotonicMs() < giveUpAtMs) {
    await pause(lookEveryMs, options);
    options.signal.throwIfAborted();
  }
}
