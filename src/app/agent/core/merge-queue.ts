/**
 * Things that changed and wait for their turn, each once. There is no debounce: the first one that
 * comes asks for a turn at once, more of them join it, and what is much is done in slices.
 */
export interface MergeQueue<Key> {
  readonly add: (keys: Iterable<Key>) => void;
  /** Handles up to `max`; true when more wait. */
  readonly flush: (max: number) => boolean;
  readonly isEmpty: () => boolean;
}

export function createMergeQueue<Key>(options: {
  readonly handle: (key: Key) => void;
  /** Called when the queue stops being empty; must lead to `flush` soon. */
  readonly schedule: () => void;
}): MergeQueue<Key> {
  const waiting = new Set<Key>();
  return {
    add: (keys) => {
      const wasEmpty = waiting.size === 0;
      for (const key of keys) waiting.add(key);
      if (wasEmpty && waiting.size > 0) options.schedule();
    },
    flush: (max) => {
      let count = 0;
      for (const key of waiting) {
        if (count >= max) return true;
        waiting.delete(key);
        options.handle(key);
        count += 1;
      }
      return false;
    },
    isEmpty: () => waiting.size === 0,
  };
}
