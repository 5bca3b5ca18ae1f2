import type { RequestOutcome, TypeStatus } from "./delta.ts";
import type { HeldResource } from "./ledger.ts";
import type { ResourceKey } from "./resource.ts";
import type { Delivery } from "./responses.ts";

/**
 * One stream of the discovery protocol as a state machine, whatever its dialect. Whoever owns the stream
 * asks `next()` for a response whenever no write is in flight, so that the newest state is always what is
 * sent.
 */
export interface XdsSession<Request> {
  readonly request: (request: Request, nowMs: number) => RequestOutcome;
  /** Takes note of a change in the view. True: `next()` may have something to send. */
  readonly touch: (changed: readonly ResourceKey[]) => boolean;
  /** Looks again at what waited for the agent to know all (`View.isSettled`). */
  readonly resettle: () => void;
  /** The next response, or undefined when the client has all it should have by now. */
  readonly next: (nowMs: number) => Delivery | undefined;
  /** When `next()` may have something to send though nothing else happens; may lie in the past. */
  readonly wakeAtMs: number | undefined;
  readonly status: () => readonly TypeStatus[];
  readonly heldResources: () => Iterable<HeldResource>;
}
