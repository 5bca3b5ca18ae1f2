import assert from "node:assert/strict";
import type { ShardContent } from "../../../src/discovery/follow/shard-content.ts";
import { serviceKey } from "../../../src/discovery/shards/record-key.ts";
import { parseRecord } from "../../../src/discovery/shards/records.ts";
import type { ShardPosition, ShardWrite } from "../../../src/discovery/shards/store.ts";
import type { MemberName } from "../../../src/mesh/ids.ts";

type Version = ReadonlyMap<string, Uint8Array>;

/** Knows every content that a writer ever sent, and so what a reader may hold. */
export interface Oracle {
  /** Sees each write before any hub can spoil it. */
  readonly sent: (write: ShardWrite) => void;
  /** Throws unless the content is, whole and exactly, what its member once published as that. */
  readonly check: (
    member: MemberName,
    held: { readonly position: ShardPosition | undefined; readonly content: ShardContent },
  ) => void;
}

export function createOracle(): Oracle {
  const versions = new Map<string, Version>();
  const keyOf = (member: MemberName, at: ShardPosition): string =>
    `${member} ${at.epoch} ${at.seq} ${at.digest}`;

  return {
    sent: (write) => {
      if (write.t === "beat") return;
      const key = keyOf(write.member, write.position);
      if (write.t === "whole") {
        versions.set(key, new Map(write.changed));
        return;
      }
      const base = write.expected && versions.get(keyOf(write.member, write.expected));
      // A delta on top of nothing known would be a version that no reader can reach either.
      if (base === undefined) return;
      const next = new Map([...base, ...write.changed]);
      for (const removed of write.removed) next.delete(removed);
      versions.set(key, next);
    },
    check: (member, { position, content }) => {
      if (position === undefined) {
        assert.deepEqual([...content.services()], [], "content without a position");
        return;
      }
      const version = versions.get(keyOf(member, position));
      assert.ok(version, `${member} never published ${JSON.stringify(position)}`);
      const published = [...version.keys()].filter((key) => key.startsWith("service/")).sort();
      const held = [...content.services()].map(serviceKey).sort();
      assert.deepEqual(held, published, `${member} at ${position.epoch}/${position.seq}`);
      for (const key of published) {
        const parsed = parseRecord(key, version.get(key) ?? new Uint8Array());
        const record = parsed.t === "ok" ? parsed.record : undefined;
        assert.ok(record?.t === "service");
        assert.deepEqual(content.service(record.id), record);
      }
    },
  };
}
