import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { Head, ShardOwner } from "../../shards/head.ts";
import type { CatalogStore, SignedHead } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { createNameWatch } from "./name-watch.ts";

/** Who writes under this member's name: this instance, or another one until it falls silent. */
export interface OwnName {
  /** See `CatalogWriter.claim`. */
  readonly claim: (signal: AbortSignal) => Promise<void>;
  /** Another instance writes: this one waits until it shows no life for a lease. */
  readonly yieldTo: (owner: ShardOwner) => void;
  /** The other instance that writes; undefined: nobody but this one may. */
  readonly holder: () => ShardOwner | undefined;
  /** Nothing may be written: another one holds the name, or nobody has it yet. */
  readonly isSilent: () => boolean;
  /** It is silent, and that is as it should be: whoever writes is a replica. */
  readonly isStandby: () => boolean;
  /** Some hub was asked who else is there before the name was taken. */
  readonly hasLooked: () => boolean;
}

/** Why a claim ends without the name: another replica has it. */
const standby = new Error("another replica holds the name");

export interface OwnNameOptions {
  readonly member: MemberName;
  readonly owner: ShardOwner;
  readonly stores: readonly CatalogStore[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** Ends to wait for a holder's silence. */
  readonly signal: AbortSignal;
  /** Deadline of each read. */
  readonly ms: number;
  readonly pollMs: number;
  readonly judgeHead: (signed: SignedHead) => Head | undefined;
  /** Awaited before the name of a holder that fell silent is taken over. */
  readonly prepare: () => Promise<void>;
  /** The name is free; `newest` is the highest epoch seen under it. */
  readonly onTaken: (newest: number) => void;
}

export function createOwnName(options: OwnNameOptions): OwnName {
  const { member, log } = options;
  const watch = createNameWatch(options);
  let holder: ShardOwner | undefined;
  let hasLooked = false;

  const isSharedWith = (owner: ShardOwner): boolean =>
    options.owner.isReplica === true && owner.isReplica === true;
  const isStandby = (): boolean => holder !== undefined && isSharedWith(holder);

  const yieldTo = (owner: ShardOwner): void => {
    if (holder?.instance === owner.instance) return;
    holder = owner;
    if (isSharedWith(owner)) log.info({ member, owner }, "Another replica writes, this one waits");
    else log.error({ member, owner }, "Another instance took over this member's name");
    takeFromSilent().catch((cause: unknown) => {
      if (options.signal.aborted) return;
      log.error({ member, reason: reasonOf(cause) }, "Cannot watch who holds a name");
    });
  };
  const takeFromSilent = async (): Promise<void> => {
    const silence = await watch.silence(options.signal, {
      onLife: (owner) => {
        holder = owner;
      },
      mustSee: true,
      quorum: isStandby() ? "most" : "every",
    });
    await options.prepare();
    holder = undefined;
    ({ hasLooked } = silence);
    log.warn({ member }, "Takes this member's name from an instance that fell silent");
    options.onTaken(silence.newest);
  };

  return {
    claim: async (signal) => {
      const onLife = (owner: ShardOwner): never => {
        if (!isSharedWith(owner)) throw nameTaken(member, owner);
        yieldTo(owner);
        throw standby;
      };
      // With every hub down a lone agent goes on with what it has.
      const quorum = options.owner.isReplica === true ? "most" : "every";
      try {
        const silence = await watch.silence(signal, { onLife, mustSee: false, quorum });
        ({ hasLooked } = silence);
        options.onTaken(silence.newest);
      } catch (thrown) {
        if (thrown !== standby) throw thrown;
      }
    },
    yieldTo,
    holder: () => holder,
    isSilent: () => holder !== undefined,
    isStandby,
    hasLooked: () => hasLooked,
  };
}

/** For whoever claims a name that lives elsewhere. */
export function nameTaken(
  member: MemberName,
  { instance, host, isReplica }: ShardOwner,
): MeshError {
  const how = isReplica === true ? "; it shares it with replicas only (catalog.replicas)" : "";
  return new MeshError(
    "MESH_CATALOG_NAME_TAKEN",
    `Cannot publish as "${member}": instance ${instance} on ${host} holds that name${how}`,
  );
}
