import type { ServerDuplexStream } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { reasonOf } from "../../mesh/errors.ts";
import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import type { Nack } from "../../xds/answers.ts";
import type { HeldResource } from "../../xds/ledger.ts";
import { decodeNode, type NodeClaim } from "../../xds/node.ts";
import type { ResourceKey, XdsType } from "../../xds/resource.ts";
import type { TypeStatus, XdsSession } from "../../xds/session.ts";
import type { View } from "../../xds/view.ts";
import { type Decoded, maxNames } from "../../xds/wire-fields.ts";

/** What requests of both dialects have in common. */
export interface AnyRequest {
  readonly node?: Uint8Array;
}

export type AdsCall<Request extends AnyRequest> = ServerDuplexStream<Decoded<Request>, Buffer>;

/** The two ways of the protocol: what changed, or all there is. */
export type Dialect = "delta" | "sotw";

export type Admitted =
  | {
      readonly t: "ok";
      readonly view: View;
      /** Called once, when the stream has ended. */
      readonly onClose?: () => void;
    }
  | { readonly t: "refused"; readonly reason: string };

/** What metrics and logs want to know; all calls are cheap and must not throw. */
export interface AdsObserver {
  readonly onSent?: (type: XdsType, bytes: number) => void;
  readonly onNack?: (nodeId: string, type: XdsType, nack: Nack) => void;
  readonly onRefused?: (reason: string) => void;
  /** A peer holds as many streams as it may. */
  readonly onLimit?: () => void;
}

/** One open stream, for operators. */
export interface ProxyStatus {
  readonly nodeId: string;
  readonly userAgent: string;
  readonly dialect: Dialect;
  /** Absent on a door without TLS. */
  readonly peer?: Peer;
  readonly connectedAtMs: number;
  /** The client takes no bytes since then (epoch); undefined: it does. */
  readonly stuckSinceMs?: number;
  readonly types: readonly TypeStatus[];
}

/** What a stream needs of the server that owns it. */
export interface StreamHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly observer: AdsObserver;
  readonly admit: (node: NodeClaim, peer: Peer | undefined) => Admitted;
  /** Asks for a call of `flush()` in this turn or a later one. */
  readonly schedule: (stream: OpenStream) => void;
  /** Asks for a call of `admit()` when it is this stream's turn. */
  readonly enqueue: (stream: OpenStream) => void;
  readonly forget: (stream: OpenStream) => void;
  /** Whether one more refusal may be logged now: a fleet that refuses or is refused comes again and again. */
  readonly mayLog: () => boolean;
  /** How long to read nothing more after so many names were asked for, in milliseconds. */
  readonly chargeNames: (peer: Peer | undefined, count: number) => number;
  /** How long the streams of that certificate are not to be read, in milliseconds. */
  readonly debtOf: (peer: Peer) => number;
}

/** A stream of either dialect, as the server that owns it sees it. */
export type OpenStream = Pick<
  AdsStream<AnyRequest>,
  | "admit"
  | "close"
  | "end"
  | "flush"
  | "heldResources"
  | "isScheduled"
  | "nodeId"
  | "peer"
  | "remote"
  | "resettle"
  | "rest"
  | "status"
  | "stuckMs"
>;

interface Open<Request> {
  readonly session: XdsSession<Request>;
  readonly node: NodeClaim;
  readonly release: () => void;
}

export interface StreamOptions<Request> {
  readonly host: StreamHost;
  readonly peer?: Peer;
  readonly dialect: Dialect;
  readonly openSession: (view: View) => XdsSession<Request>;
  readonly countNames: (request: Request) => number;
}

/** One stream: moves bytes between a gRPC call and its session. */
export class AdsStream<Request extends AnyRequest> {
  readonly #call: AdsCall<Request>;
  readonly #host: StreamHost;
  readonly #options: StreamOptions<Request>;
  readonly #connectedAtMs: number;
  #first: Request | undefined;
  #open: Open<Request> | undefined;
  #isClosed = false;
  #writingSinceMs: number | undefined;
  #wake: NodeJS.Timeout | undefined;
  /** Until then no request is read. */
  #rest: NodeJS.Timeout | undefined;
  /** Owned by the host: whether a flush is on its list. */
  isScheduled = false;

  constructor(call: AdsCall<Request>, options: StreamOptions<Request>) {
    this.#call = call;
    this.#host = options.host;
    this.#options = options;
    this.#connectedAtMs = options.host.clock.nowMs();
    call.on("data", (decoded: Decoded<Request>) => this.#receive(decoded));
    call.on("end", () => this.close());
    call.on("error", () => this.close());
    call.on("cancelled", () => this.close());
    call.on("close", () => this.close());
  }

  /** Lets the stream in: asks what it may see and answers its first request. */
  admit(): void {
    const first = this.#first;
    if (first === undefined || this.#isClosed || this.#open !== undefined) return;
    const decoded = decodeNode(first.node ?? new Uint8Array());
    if (decoded.t === "refused")
      return this.end(status.INVALID_ARGUMENT, `node: ${decoded.reason}`);
    const node = decoded.value;
    const admitted = this.#judge(node);
    if (admitted === undefined) return this.end(status.INTERNAL, "the agent failed");
    if (admitted.t === "refused") return this.end(status.PERMISSION_DENIED, admitted.reason);
    const session = this.#options.openSession(admitted.view);
    const listener = (changed: readonly ResourceKey[]): void => {
      if (session.touch(changed)) this.#host.schedule(this);
    };
    const cancellations = admitted.view.sets.map((set) => set.onChange(listener));
    const release = (): void => {
      for (const cancel of cancellations) cancel();
      admitted.onClose?.();
    };
    this.#first = undefined;
    this.#open = { session, node, release };
    this.#take(first);
    if (this.#rest === undefined) this.#call.resume();
  }

  /** Sends what is due, unless a write is in flight; when that ends, the newest state is sent. */
  flush(): void {
    if (this.#open === undefined || this.#isClosed || this.#writingSinceMs !== undefined) return;
    const nowMs = this.#host.clock.monotonicMs();
    const delivery = this.#open.session.next(nowMs);
    if (delivery === undefined) return this.#sleep(nowMs);
    this.#writingSinceMs = nowMs;
    this.#host.observer.onSent?.(delivery.receipt.type, delivery.bytes.length);
    // The callback comes when HTTP/2 has taken the bytes, which a client that does not read prevents.
    this.#call.write(delivery.bytes, () => {
      this.#writingSinceMs = undefined;
      this.flush();
    });
  }

  /** Looks again at what was held back while the agent did not know all. */
  resettle(): void {
    this.#open?.session.resettle();
    this.#host.schedule(this);
  }

  /** Whoever was proven to stand behind the connection. */
  get peer(): Peer | undefined {
    return this.#options.peer;
  }

  /** As `AdsOptions.peerOf` knows the connection. */
  get remote(): string {
    return this.#call.getPeer();
  }

  /** How long the client has refused to take the bytes of one write. */
  stuckMs(nowMs: number): number {
    return this.#writingSinceMs === undefined ? 0 : nowMs - this.#writingSinceMs;
  }

  /** Undefined until the stream was let in. */
  get nodeId(): string | undefined {
    return this.#open?.node.id;
  }

  /** Undefined until the stream was let in. */
  status(): ProxyStatus | undefined {
    if (this.#open === undefined) return undefined;
    const { clock } = this.#host;
    const stuckMs = this.stuckMs(clock.monotonicMs());
    return {
      nodeId: this.#open.node.id,
      userAgent: this.#open.node.userAgent,
      dialect: this.#options.dialect,
      ...(this.peer === undefined ? {} : { peer: this.peer }),
      connectedAtMs: this.#connectedAtMs,
      ...(stuckMs < notableStuckMs ? {} : { stuckSinceMs: clock.nowMs() - stuckMs }),
      types: this.#open.session.status(),
    };
  }

  heldResources(type?: XdsType): readonly HeldResource[] {
    return this.#open === undefined ? [] : [...this.#open.session.heldResources(type)];
  }

  /** Reads nothing for so long: later requests wait in the client, as they do before a stream is let in. */
  rest(ms: number): void {
    if (ms === 0) return;
    this.#call.pause();
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      if (!this.#isClosed) this.#call.resume();
    }, ms);
    this.#rest.unref();
  }

  /** Ends the stream with a gRPC status. */
  end(code: status, reason: string): void {
    if (this.#isClosed) return;
    const { observer, log, mayLog } = this.#host;
    observer.onRefused?.(reason);
    const fields = { node: this.#open?.node.id, peer: this.peer?.id, reason };
    if (mayLog()) log.warn(fields, "xDS stream refused");
    this.#call.emit("error", { code, details: reason });
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#wake);
    clearTimeout(this.#rest);
    this.#host.forget(this);
    this.#open?.release();
    this.#open?.session.close();
    this.#call.end();
  }

  /** Undefined: our own fault, in the log; it must not take the other streams along. */
  #judge(node: NodeClaim): Admitted | undefined {
    try {
      return this.#host.admit(node, this.peer);
    } catch (cause) {
      this.#host.log.error({ node: node.id, reason: reasonOf(cause) }, "xDS stream not admitted");
      return undefined;
    }
  }

  #receive(decoded: Decoded<Request>): void {
    if (this.#isClosed) return;
    if (decoded.t === "refused") {
      // It cost as much to read.
      this.#host.chargeNames(this.peer, maxNames);
      return this.end(status.INVALID_ARGUMENT, decoded.reason);
    }
    if (this.#open !== undefined) return this.#take(decoded.value);
    // Until it is this stream's turn, later requests wait in the client.
    this.#call.pause();
    if (this.#first !== undefined) return this.end(status.INTERNAL, "a request came while paused");
    this.#first = decoded.value;
    this.#host.enqueue(this);
  }

  #take(request: Request): void {
    if (this.#open === undefined) return;
    const { session, node } = this.#open;
    this.rest(this.#host.chargeNames(this.peer, this.#options.countNames(request)));
    const outcome = session.request(request, this.#host.clock.nowMs());
    switch (outcome.t) {
      case "ok":
        break;
      case "nack":
        this.#host.observer.onNack?.(node.id, outcome.type, outcome.nack);
        if (this.#host.mayLog()) {
          const { names, message: reason } = outcome.nack;
          const fields = { node: node.id, type: outcome.type, names, reason };
          this.#host.log.warn(fields, "Proxy refused configuration");
        }
        break;
      case "foreign":
        this.#host.log.debug(
          { node: node.id, type: outcome.typeUrl },
          "Proxy asked for a type not served",
        );
        return;
      case "refused":
        return this.end(status.RESOURCE_EXHAUSTED, outcome.reason);
    }
    this.#host.schedule(this);
  }

  #sleep(nowMs: number): void {
    clearTimeout(this.#wake);
    this.#wake = undefined;
    const wakeAtMs = this.#open?.session.wakeAtMs;
    // In the past: it waits for an answer, and that will wake it.
    if (wakeAtMs === undefined || wakeAtMs <= nowMs) return;
    this.#wake = setTimeout(() => this.#host.schedule(this), wakeAtMs - nowMs);
    this.#wake.unref();
  }
}

// Below this a busy client is not worth an operator's look.
const notableStuckMs = 5000;
