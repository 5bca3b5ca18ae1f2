import { randomUUID } from "node:crypto";
import { reasonOf } from "../../../mesh/errors.ts";
import type { Log } from "../../../mesh/ports.ts";
import type { SnapshotStore, WriterMemory } from "../../shards/snapshot-store.ts";

export interface OpenWriterMemory extends WriterMemory {
  readonly saveEpoch: (epoch: number) => Promise<void>;
}

/** What this agent's earlier life left on disk; a new instance where there is nothing. */
export async function openWriterMemory(
  snapshots: SnapshotStore | undefined,
  log: Log,
): Promise<OpenWriterMemory> {
  const memory = (await snapshots?.loadWriter()) ?? { instance: randomUUID(), epoch: 0 };
  const saveEpoch = async (epoch: number): Promise<void> => {
    try {
      await snapshots?.saveWriter({ instance: memory.instance, epoch });
    } catch (thrown) {
      // The wall clock still keeps epochs apart; a restart then waits for its own lease.
      log.warn({ reason: reasonOf(thrown) }, "Cannot remember an epoch");
    }
  };
  await saveEpoch(memory.epoch);
  return { ...memory, saveEpoch };
}
