import type { Nack } from "./answers.ts";
import type { HeldResource } from "./ledger.ts";
import type { ResourceKey, XdsType } from "./resource.ts";
import type { Delivery } from "./responses.ts";

/** What an operator may know of one type on one stream. */
export interface TypeStatus {
  readonly type: XdsType;
  readonly isWildcard: boolean;
  readonly subscribed: number;
  /** Resources that the client has, or is about to be sent. */
  readonly held: number;
  readonly unanswered: number;
  readonly refused: number;
  readonly lastNack?: Nack;
}

export type RequestOutcome =
  | { readonly t: "ok" }
  | { readonly t: "nack"; readonly type: XdsType; readonly nack: Nack }
  /** A type that this server does not serve; the request is ignored. */
  | { readonly t: "foreign"; readonly typeUrl: string }
  /** The stream must end. */
  | { readonly t: "refused"; readonly reason: string };

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
  /** Of one type, or of all. */
  readonly heldResources: (type?: XdsType) => Iterable<HeldResource>;
  /** The stream has ended. */
  readonly close: () => void;
}
