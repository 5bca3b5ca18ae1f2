import { setTimeout as wait } from "node:timers/promises";
import { openAgentChannel } from "../../dataplane/io/agent-channel.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { IdentitySource, Log, Random } from "../../mesh/ports.ts";
import { parseBundle } from "../../trust/bundle.ts";
import {
  type CheckRequest,
  type CheckResponse,
  checkPath,
  decodeCheckResponse,
  encodeCheckRequest,
} from "../../xds/checking.ts";
import { callAgent } from "./agent-call.ts";
import type { IdentityAgents } from "./identity-client.ts";
import { spiffeIdOf } from "./spiffe-id-of.ts";

export interface SvidCheckOptions extends IdentityAgents {
  readonly identity: IdentitySource;
  /** On average. */
  readonly everyMs: number;
  /** The SVID has to be renewed before its time. */
  readonly onDue: () => void;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
}

// A fleet of 2,000 asks seven times a second, each a handshake of a millisecond.
export const defaultCheckEveryMs = 300_000;

// Whatever an agent says.
const longestMs = 3_600_000;

/** Hands calls on to whoever listens by then. */
export interface DueCalls {
  readonly call: () => void;
  /** Returns its own cancellation. */
  readonly onCall: (listener: () => void) => () => void;
}

export function dueCalls(): DueCalls {
  const listeners = new Set<() => void>();
  return {
    call: () => {
      for (const listener of listeners) listener();
    },
    onCall: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * Asks the agent from time to time whether the SVID has to be renewed early: while the root is rotated, the agent
 * does not know where its launchers are. A connection for each question, so that thousands of launchers cost it no
 * memory. Ends, without throwing, when the signal aborts.
 */
export async function checkSvid(options: SvidCheckOptions): Promise<void> {
  const { everyMs, random, signal, log } = options;
  while (!signal.aborted) {
    // Started together, they are spread from the first time on.
    const ms = everyMs * (0.5 + random());
    await wait(ms, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const { mustRenew, withinMs = 0 } = await ask(options);
      if (!mustRenew) continue;
      // Its whole fleet hears it about now.
      await wait(Math.min(withinMs, longestMs) * random(), undefined, { signal, ref: false });
      options.onDue();
    } catch (thrown) {
      // Renewals and streams say loudly enough that the agent is away.
      if (!signal.aborted) log.debug({ reason: reasonOf(thrown) }, "Agent could not be asked");
    }
  }
}

/** The first of the agents that answers. Throws what the last one failed with. */
async function ask(options: SvidCheckOptions): Promise<CheckResponse> {
  const { agent: first, otherAgents = [], identity, signal } = options;
  const bundleDigest = parseBundle(identity.current().bundlePem).digest;
  let failure: unknown;
  for (const agent of [first, ...otherAgents]) {
    try {
      const client = openAgentChannel({ ...options, agent, spiffeIdOf });
      return await callAgent<CheckRequest, CheckResponse>(
        { agent, client },
        {
          path: checkPath,
          encode: encodeCheckRequest,
          decode: decodeCheckResponse,
          request: { bundleDigest },
          what: "ask about the SVID",
          signal,
        },
      );
    } catch (thrown) {
      failure = thrown;
    }
  }
  throw failure;
}
