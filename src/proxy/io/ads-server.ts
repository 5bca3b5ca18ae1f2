import { setImmediate } from "node:timers";
import { type Server, status } from "@grpc/grpc-js";
import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import { decodeDeltaRequest } from "../../xds/codec.ts";
import type { DeltaLimits } from "../../xds/delta.ts";
import type { HeldResource } from "../../xds/ledger.ts";
import type { NodeClaim } from "../../xds/node.ts";
import { Responses } from "../../xds/responses.ts";
import {
  type Admitted,
  type AdsObserver,
  AdsStream,
  type DeltaCall,
  type ProxyStatus,
  type StreamHost,
} from "./ads-stream.ts";

export interface AdsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Decides what a new stream sees. The node is a claim; the peer is proven. */
  readonly admit: (node: NodeClaim, peer: Peer | undefined) => Admitted;
  /** Streams wait until then; call `wake()` when it turns true. */
  readonly isWarm: () => boolean;
  /** Who stands behind a connection, by `call.getPeer()`; undefined: nobody we know. */
  readonly peerOf: (remote: string) => Peer | undefined;
  /** Destroys a connection that takes no bytes: a status could not reach its client either. */
  readonly cut?: (remote: string) => void;
  /** Without it a stream from nobody is refused. For benchmarks and local sockets. */
  readonly allowsAnonymous?: boolean;
  readonly observer?: AdsObserver;
  readonly admission?: Partial<AdmissionLimits>;
  readonly limits?: Partial<DeltaLimits>;
}

// A handshake and a first configuration of 1,000 clusters cost about 5 ms: a fleet that returns at once
// takes at most three quarters of a core.
const defaultAdmission: AdmissionLimits = { perSecond: 150, burst: 100 };
// More cannot be let in before their clients give up; they are told to come again.
const maxWaiting = 5000;
// Long enough for an agent to become warm (30 s), short enough to show that it does not.
const maxWaitMs = 40_000;
// A client that took no byte for so long is stuck; a new stream may do better.
const maxStuckMs = 120_000;
const sweepEveryMs = 5000;
const refusalLogs: AdmissionLimits = { perSecond: 1, burst: 20 };
// Streams flushed in one turn of the event loop: answers and health checks go between.
const flushSlice = 64;

/** Serves delta ADS on a gRPC server. Streams are paced when they come and share what they are sent. */
export class AdsServer implements Disposable {
  readonly #options: AdsOptions;
  readonly #admission: Admission;
  readonly #host: StreamHost;
  readonly #streams = new Set<AdsStream>();
  /** In the order of their first requests, with the time of those. */
  readonly #waiting = new Map<AdsStream, number>();
  #ready: AdsStream[] = [];
  #isFlushPlanned = false;
  #nextAdmission: NodeJS.Timeout | undefined;
  readonly #sweep: NodeJS.Timeout;

  constructor(options: AdsOptions) {
    this.#options = options;
    const { clock, log } = options;
    const limits = { ...defaultAdmission, ...options.admission };
    this.#admission = new Admission(limits, clock.monotonicMs());
    const logs = new Admission(refusalLogs, clock.monotonicMs());
    this.#host = {
      clock,
      log,
      responses: new Responses(),
      limits: options.limits ?? {},
      observer: options.observer ?? {},
      admit: options.admit,
      schedule: (stream) => this.#schedule(stream),
      enqueue: (stream) => this.#enqueue(stream),
      forget: (stream) => this.#forget(stream),
      mayLog: () => logs.take(clock.monotonicMs()),
    };
    this.#sweep = setInterval(() => this.#endStuck(), sweepEveryMs);
    this.#sweep.unref();
  }

  register(server: Server): void {
    server.register(
      "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
      (call: DeltaCall) => this.#accept(call),
      // Responses are bytes already.
      (bytes: Buffer) => bytes,
      decodeDeltaRequest,
      "bidi",
    );
  }

  /** The agent knows more than before: lets waiting streams in and looks again at what was held back. */
  wake(): void {
    for (const stream of this.#streams) stream.resettle();
    this.#letIn();
  }

  proxies(): readonly ProxyStatus[] {
    return [...this.#streams]
      .map((stream) => stream.status())
      .filter((known) => known !== undefined);
  }

  /** What the proxy of that node id was told, by its latest stream; undefined: no such proxy. */
  heldBy(nodeId: string): readonly HeldResource[] | undefined {
    const stream = [...this.#streams].findLast((candidate) => candidate.nodeId === nodeId);
    return stream?.heldResources();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweep);
    clearTimeout(this.#nextAdmission);
    for (const stream of this.#streams) stream.close();
  }

  #accept(call: DeltaCall): void {
    const peer = this.#options.peerOf(call.getPeer());
    const stream = new AdsStream(call, {
      host: this.#host,
      ...(peer === undefined ? {} : { peer }),
    });
    this.#streams.add(stream);
    const isKnown = peer !== undefined || this.#options.allowsAnonymous === true;
    if (!isKnown) stream.end(status.UNAUTHENTICATED, "the connection proved no identity");
  }

  #enqueue(stream: AdsStream): void {
    if (this.#waiting.size >= maxWaiting) {
      stream.end(status.UNAVAILABLE, "too many streams wait to be let in");
      return;
    }
    this.#waiting.set(stream, this.#options.clock.monotonicMs());
    this.#letIn();
  }

  #letIn(): void {
    if (!this.#options.isWarm()) return;
    const nowMs = this.#options.clock.monotonicMs();
    for (const stream of this.#waiting.keys()) {
      if (!this.#admission.take(nowMs)) break;
      this.#waiting.delete(stream);
      stream.admit();
    }
    if (this.#waiting.size === 0 || this.#nextAdmission !== undefined) return;
    this.#nextAdmission = setTimeout(() => {
      this.#nextAdmission = undefined;
      this.#letIn();
    }, this.#admission.waitMs(nowMs));
  }

  #schedule(stream: AdsStream): void {
    if (stream.isScheduled) return;
    stream.isScheduled = true;
    this.#ready.push(stream);
    this.#planFlush();
  }

  // In a later turn: all edits made in this one go out together.
  #planFlush(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    setImmediate(() => {
      this.#isFlushPlanned = false;
      const slice = this.#ready.splice(0, flushSlice);
      for (const stream of slice) {
        stream.isScheduled = false;
        stream.flush();
      }
      if (this.#ready.length > 0) this.#planFlush();
    });
  }

  #forget(stream: AdsStream): void {
    this.#streams.delete(stream);
    this.#waiting.delete(stream);
  }

  #endStuck(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const stream of this.#streams) {
      if (stream.stuckMs(nowMs) > maxStuckMs)
        stream.end(status.ABORTED, "the client takes no bytes");
    }
    for (const [stream, sinceMs] of this.#waiting) {
      if (nowMs - sinceMs < maxWaitMs) break;
      stream.end(status.UNAVAILABLE, "the agent does not know enough yet");
    }
  }
}
