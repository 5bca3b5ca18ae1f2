import type { MemberName } from "../../mesh/ids.ts";
import type { ShardSnapshot } from "./store.ts";

/** Records and head as they were signed. Whoever loads it verifies it again. */
export type ShardCopy = Omit<ShardSnapshot, "cursor">;

/** What a writer must remember over a restart. */
export interface WriterMemory {
  /** Random; tells two writers of one name apart. */
  readonly instance: string;
  /** Highest epoch ever used. */
  readonly epoch: number;
}

/** Last good copies on disk: an agent that starts with every hub down still knows the mesh. */
export interface SnapshotStore {
  /** Undefined when there is none or it cannot be read; the latter is logged. */
  readonly load: (member: MemberName) => Promise<ShardCopy | undefined>;
  readonly save: (member: MemberName, copy: ShardCopy) => Promise<void>;
  /** A denied member leaves nothing behind. */
  readonly remove: (member: MemberName) => Promise<void>;
  readonly loadWriter: () => Promise<WriterMemory | undefined>;
  readonly saveWriter: (memory: WriterMemory) => Promise<void>;
}
