import type { FollowChange } from "./follower.ts";

/** Several changes as one: of each object only what came last. */
export interface ChangeBatch {
  readonly add: (change: FollowChange) => void;
  readonly take: () => FollowChange;
}

/** An object that goes and comes back within one batch is put and never removed. */
export function createChangeBatch(): ChangeBatch {
  const latest = new Map<string, object | undefined>();
  return {
    add({ puts, removed }) {
      for (const { key, object } of puts) latest.set(key, object);
      for (const key of removed) latest.set(key, undefined);
    },
    take() {
      const puts: { key: string; object: object }[] = [];
      const removed: string[] = [];
      for (const [key, object] of latest) {
        if (object === undefined) removed.push(key);
        else puts.push({ key, object });
      }
      latest.clear();
      return { puts, removed };
    },
  };
}
