import { reasonOf } from "../../../mesh/errors.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { Log } from "../../../mesh/ports.ts";
import type { ShardCopy, SnapshotStore } from "../../shards/snapshot-store.ts";
import type { Timers } from "../../timers.ts";

/** Keeps copies on disk some seconds behind, however fast shards change. */
export interface CopySaver {
  /** A shard changed, or is gone: then its copy goes too. */
  readonly touch: (member: MemberName) => void;
  /** The own shard; an undefined copy means that there is none at this moment. */
  readonly touchOwn: (member: MemberName, copy: () => ShardCopy | undefined) => void;
  /** Saves what is not saved yet. */
  readonly close: () => Promise<void>;
}

/** A killed agent loses so much of its copies; hubs have the rest. */
const saveEveryMs = 10_000;

export function createCopySaver(options: {
  readonly snapshots: SnapshotStore | undefined;
  readonly timers: Timers;
  readonly log: Log;
  readonly copyOf: (member: MemberName) => ShardCopy | undefined;
}): CopySaver {
  const { snapshots } = options;
  const unsaved = new Map<MemberName, Save>();
  let cancel: (() => void) | undefined;
  let saving: Promise<void> = Promise.resolve();

  const saveOne = async (member: MemberName, save: Save): Promise<void> => {
    try {
      await save();
    } catch (thrown) {
      options.log.warn({ member, reason: reasonOf(thrown) }, "Cannot save a copy of a shard");
    }
  };
  const saveAll = async (): Promise<void> => {
    const due = [...unsaved];
    unsaved.clear();
    // One after the other: nothing waits for it, and large shards are large files.
    for (const [member, saveIt] of due) await saveOne(member, saveIt);
  };
  const save = (): Promise<void> => {
    cancel = undefined;
    saving = saving.then(saveAll);
    return saving;
  };
  const later = (member: MemberName, saveIt: Save): void => {
    if (snapshots === undefined) return;
    unsaved.set(member, saveIt);
    cancel ??= options.timers.after(saveEveryMs, () => void save());
  };

  return {
    touch: (member) =>
      later(member, async () => {
        const copy = options.copyOf(member);
        if (copy === undefined) await snapshots?.remove(member);
        else await snapshots?.save(member, copy);
      }),
    touchOwn: (member, copyOf) =>
      later(member, async () => {
        const copy = copyOf();
        if (copy !== undefined) await snapshots?.save(member, copy);
      }),
    close: async () => {
      cancel?.();
      await save();
    },
  };
}

type Save = () => Promise<void>;
