import type { Charter, SignedCharter } from "../../../mesh/charter.ts";
import type { MemberName } from "../../../mesh/ids.ts";
import type { CatalogStore, KnownCharter } from "../../shards/store.ts";
import type { Timers } from "../../timers.ts";
import { pause, within } from "./waiting.ts";

/** States the newest charter that this member knows in every hub, so that others find it there. */
export interface CharterSender {
  readonly send: (entry: KnownCharter) => void;
  /** Resolves after the signal. */
  readonly done: Promise<void>;
}

/** A wiped hub gets it again after at most so many rounds: a minute by default. */
const roundsPerResend = 20;

export function startCharterSender(options: {
  readonly member: MemberName;
  readonly charter: Charter;
  readonly signedCharter: SignedCharter;
  readonly stores: readonly CatalogStore[];
  readonly timers: Timers;
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}): CharterSender {
  const { timers, signal } = options;
  let entry: KnownCharter = {
    member: options.member,
    number: options.charter.number,
    charter: options.signedCharter,
  };
  const sent = new Map<CatalogStore, KnownCharter>();

  const sendTo = async (store: CatalogStore): Promise<void> => {
    const current = entry;
    const limit = { ms: options.timeoutMs, timers, signal, what: `write to ${store.name}` };
    try {
      await within(limit, (inner) => store.putCharter(current, inner));
      sent.set(store, current);
    } catch {
      // The shard's writer reports hubs that cannot be written; here the next round is enough.
      sent.delete(store);
    }
  };
  const keepSending = async (store: CatalogStore): Promise<void> => {
    for (let round = 0; !signal.aborted; round += 1) {
      if (sent.get(store) !== entry || round % roundsPerResend === 0) await sendTo(store);
      await pause(options.pollMs, { timers, signal });
    }
  };

  const done = Promise.all(options.stores.map(keepSending)).then(() => undefined);
  return {
    send: (next) => {
      entry = next;
      for (const store of options.stores) void sendTo(store);
    },
    done,
  };
}
