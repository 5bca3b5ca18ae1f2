import { takeLoads } from "../load.ts";
import type { EngineContext } from "./context.ts";
import { noteFlowBytes } from "./flow.ts";
import type { LoadSource } from "./load-session.ts";

// `lastByteMs` is as coarse as the sweep.
const coarseMs = 200;

/** What the embedded engine counts. */
export function engineLoads(context: Pick<EngineContext, "loads" | "open" | "clock">): LoadSource {
  const { loads, open, clock } = context;
  let gatheredMs = 0;
  // Bytes are counted by the sockets; only those of connections that said something are asked.
  const gather = (): void => {
    for (const flow of open) {
      if (flow.lastByteMs >= gatheredMs - coarseMs) noteFlowBytes(flow);
    }
    gatheredMs = clock.monotonicMs();
  };
  return {
    begin: () => {
      gather();
      takeLoads(loads);
      for (const load of loads.values()) load.isChanged = true;
    },
    take: () => {
      gather();
      return takeLoads(loads);
    },
  };
}
