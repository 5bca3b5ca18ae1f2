import type {
  ShardCopy,
  SnapshotStore,
  WriterMemory,
} from "../../../src/discovery/shards/snapshot-store.ts";
import type { MemberName } from "../../../src/mesh/ids.ts";

/** Copies that survive an agent, not the test. */
export function createMemoryDisk(): SnapshotStore {
  const shards = new Map<MemberName, ShardCopy>();
  let writer: WriterMemory | undefined;
  return {
    load: async (member) => shards.get(member),
    save: async (member, copy) => void shards.set(member, copy),
    remove: async (member) => void shards.delete(member),
    loadWriter: async () => writer,
    saveWriter: async (memory) => {
      writer = memory;
    },
  };
}
