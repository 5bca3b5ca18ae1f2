import { pause } from "../../waiting.ts";
import type { RedisDeps } from "../redis-hub.ts";
import type { ServerFinder } from "./find-server.ts";
import type { HubAccessSource } from "./hub-access.ts";
import { HubFailure } from "./hub-failure.ts";
import type { HubLink } from "./hub-link.ts";

export interface MasterWatch {
  readonly close: () => Promise<void>;
}

/** One sentinel at a time is asked, so each is asked every few times this. */
const lookMs = 1500;

/**
 * Leaves a server that the sentinels replaced. One that is cut off from them goes on answering, and a
 * client that only waits for errors would write to it until the cut heals, for nothing.
 */
export function watchMaster(
  options: Pick<RedisDeps, "clock" | "timers"> & {
    readonly finder: ServerFinder;
    readonly access: Pick<HubAccessSource, "current">;
    readonly isTls: boolean;
    readonly links: readonly HubLink[];
  },
): MasterWatch {
  const { isReplaced } = options.finder;
  if (isReplaced === undefined) return { close: () => Promise.resolve() };
  const closing = new AbortController();
  const { signal } = closing;

  const look = async (): Promise<void> => {
    for (const address of new Set(options.links.map((link) => link.current()?.address))) {
      if (address === undefined) continue;
      const access = await options.access.current();
      if (!(await isReplaced(address, { ...options, access, signal }))) continue;
      for (const link of options.links) {
        const connection = link.current();
        if (connection?.address.host !== address.host) continue;
        if (connection.address.port === address.port) connection.close(replaced);
      }
    }
  };
  const keepLooking = async (): Promise<void> => {
    while (!signal.aborted) {
      await pause(lookMs, { timers: options.timers, signal });
      // Sentinels that do not answer say nothing; the server is watched by its own silence.
      if (!signal.aborted) await look().catch(() => undefined);
    }
  };
  const done = keepLooking();
  return {
    close: async () => {
      closing.abort(replaced);
      await done;
    },
  };
}

const replaced = new HubFailure("replica", "the sentinels made another server the master", {
  isFatal: true,
});
