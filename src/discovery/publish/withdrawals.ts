import type { ServiceId } from "../../mesh/ids.ts";

/**
 * Holds back withdrawals when more than half of a shard's exports would vanish at once: an unmounted
 * folder or lost rights look exactly like that. Source:
 * docs/decisions/silence-removes-nothing.md
 */
export interface Withdrawals {
  /** Which of these may be withdrawn now; the others are held. `exports`: published and not leaving. */
  readonly ask: (
    ids: readonly ServiceId[],
    at: { readonly nowMs: number; readonly exports: number },
  ) => readonly ServiceId[];
  /** The service is exported again. */
  readonly cancel: (id: ServiceId) => void;
  /** Held ones whose time is up; they are no longer held. */
  readonly release: (nowMs: number) => readonly ServiceId[];
  /** Lets all that are held go at once: an operator says that it is meant. */
  readonly confirm: () => readonly ServiceId[];
  readonly held: () => readonly ServiceId[];
  readonly nextReleaseMs: () => number | undefined;
}

/** Withdrawals within this time count as one event: a folder vanishes file by file. */
const oneEventMs = 60_000;
/** One export alone may always go: half of one or two services is no sign of a lost source. */
const fewest = 2;
const withdrawalHoldMs = 600_000;

export function createWithdrawals(): Withdrawals {
  const held = new Map<ServiceId, number>();
  let recent: number[] = [];

  const take = (ids: readonly ServiceId[]): readonly ServiceId[] => {
    for (const id of ids) held.delete(id);
    return ids;
  };
  return {
    ask: (ids, { nowMs, exports }) => {
      const asked = ids.filter((id) => !held.has(id));
      recent = recent.filter((atMs) => nowMs - atMs < oneEventMs);
      const gone = recent.length + held.size + asked.length;
      const isMass = gone >= fewest && gone > (exports + recent.length) / 2;
      if (isMass) {
        for (const id of asked) held.set(id, nowMs + withdrawalHoldMs);
        return [];
      }
      recent.push(...asked.map(() => nowMs));
      return asked;
    },
    cancel: (id) => void held.delete(id),
    release: (nowMs) => take([...held].filter(([, atMs]) => atMs <= nowMs).map(([id]) => id)),
    confirm: () => take([...held.keys()]),
    held: () => [...held.keys()],
    nextReleaseMs: () => (held.size === 0 ? undefined : Math.min(...held.values())),
  };
}
