import { access, constants } from "node:fs/promises";
import type { SnapshotStore } from "../../../discovery/shards/snapshot-store.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { Finding } from "../../../mesh/service.ts";

/** Remembers what could not be written into the snapshot folder, until it can be again. */
export interface DiskWatch {
  /** The same store, watched. */
  readonly snapshots: SnapshotStore;
  /** A write of another file there: rejects as it did. */
  readonly watch: (file: string, write: Promise<void>) => Promise<void>;
  /** Whether the folder could be written now: nothing may be due for days. Call now and then. */
  readonly look: () => Promise<void>;
  readonly findings: () => readonly Finding[];
}

export function watchDisk(dir: string, snapshots: SnapshotStore): DiskWatch {
  /** Why, by file. */
  const failed = new Map<string, string>();
  const watch: DiskWatch["watch"] = async (file, write) => {
    try {
      await write;
      failed.delete(file);
    } catch (thrown) {
      failed.set(file, reasonOf(thrown));
      throw thrown;
    }
  };
  return {
    snapshots: {
      ...snapshots,
      save: (member, copy) => watch(`shard of ${member}`, snapshots.save(member, copy)),
      remove: (member) => watch(`shard of ${member}`, snapshots.remove(member)),
      saveWriter: (memory) => watch("writer", snapshots.saveWriter(memory)),
    },
    watch,
    look: () => watch("the folder", access(dir, constants.W_OK)).catch(() => undefined),
    findings: () => {
      const [first] = failed;
      if (first === undefined) return [];
      const [file, reason] = first;
      const more = failed.size > 1 ? ` and ${failed.size - 1} more` : "";
      return [
        {
          code: "CATALOG_COPY_UNSAVED",
          severity: "warning",
          subject: dir,
          message: `cannot be written (${file}${more}: ${reason}); should this agent restart without a hub, it knows less`,
        },
      ];
    },
  };
}
