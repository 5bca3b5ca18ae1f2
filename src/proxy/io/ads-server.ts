import { type Server, status } from "@grpc/grpc-js";
import type { Peer } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import { decodeDeltaRequest } from "../../xds/codec.ts";
import { CommonContents } from "../../xds/common-map.ts";
import { DeltaSession } from "../../xds/delta.ts";
import type { HeldResource } from "../../xds/ledger.ts";
import type { XdsType } from "../../xds/resource.ts";
import { Responses } from "../../xds/responses.ts";
import { SotwSession, sotwResponses } from "../../xds/sotw.ts";
import { decodeSotwRequest } from "../../xds/sotw-codec.ts";
import { StrangeNames } from "../../xds/strange-names.ts";
import type { Decoded } from "../../xds/wire-fields.ts";
import { FairLine } from "../fair-line.ts";
import { PeerCount, type PeerLimits } from "../peer-limits.ts";
import { PeerPace } from "../peer-pace.ts";
import type { AdsOptions, Door } from "./ads-options.ts";
import {
  type AdsCall,
  AdsStream,
  type AnyRequest,
  type OpenStream,
  type ProxyStatus,
  type StreamHost,
  type StreamOptions,
} from "./ads-stream.ts";
import { AnonymousStreams } from "./anonymous-streams.ts";
import { FlushLine } from "./flush-line.ts";

// A handshake and a first configuration of 1,000 clusters cost about 5 ms: a fleet that returns at once
// takes at most three quarters of a core.
const defaultAdmission: AdmissionLimits = { perSecond: 150, burst: 100 };
// More cannot be let in before their clients give up; they are told to come again. Half of it is left for
// others than the one identity that most come with.
const maxWaiting = { inAll: 5000, perLane: 2500 };
// Long enough for an agent to become warm (30 s), short enough to show that it does not.
const maxWaitMs = 40_000;
// A client that took no byte for so long is stuck; a new stream may do better.
const maxStuckMs = 120_000;
const sweepEveryMs = 5000;
const refusalLogs: AdmissionLimits = { perSecond: 1, burst: 20 };
// An identity may stand for a whole deployment; a certificate for one workload, with a worker for each core
// and streams that are about to be noticed as dead.
const defaultPeerLimits: PeerLimits = { perIdentity: 5000, perCertificate: 64 };
// To read and look up a name costs a microsecond or two. A sidecar names all it has once, when it connects: with
// 10,000 services and a few workers within the burst. Who goes on and on is read later, and not ended: the
// state of the world repeats all names with each answer. An identity may stand for a fleet that returns.
const defaultNamePace = {
  perIdentity: { perSecond: 400_000, burst: 8_000_000 },
  perCertificate: { perSecond: 20_000, burst: 500_000 },
} as const;
const service = "/envoy.service.discovery.v3.AggregatedDiscoveryService";

/** One stream that was let in. */
export interface Holder {
  readonly nodeId: string;
  /** As `AdsOptions.peerOf` knows the connection. */
  readonly remote: string;
  /** Absent on a door without TLS. */
  readonly peer?: Peer;
  readonly held: (type: XdsType) => readonly HeldResource[];
}

/**
 * Serves ADS in both dialects on gRPC servers. Streams are paced when they come and share what they are
 * sent.
 */
export class AdsServer implements Disposable {
  readonly #options: AdsOptions;
  readonly #admission: Admission;
  readonly #host: StreamHost;
  readonly #common = new CommonContents();
  readonly #strange = new StrangeNames();
  readonly #deltaResponses = new Responses();
  readonly #sotwResponses = sotwResponses();
  readonly #perPeer: PeerCount;
  readonly #anonymous: AnonymousStreams;
  readonly #streams = new Set<OpenStream>();
  /** What each stream counts for, to be given back. */
  readonly #leave = new Map<OpenStream, () => void>();
  /** Since their first requests. */
  readonly #waiting = new FairLine<OpenStream>(maxWaiting);
  readonly #flushes = new FlushLine();
  #nextAdmission: NodeJS.Timeout | undefined;
  readonly #sweep: NodeJS.Timeout;

  constructor(options: AdsOptions) {
    this.#options = options;
    const { clock, log } = options;
    const limits = { ...defaultAdmission, ...options.admission };
    this.#admission = new Admission(limits, clock.monotonicMs());
    const logs = new Admission(refusalLogs, clock.monotonicMs());
    const { perIdentity, perCertificate } = options.namePace ?? defaultNamePace;
    const byIdentity = new PeerPace(perIdentity);
    const byCertificate = new PeerPace(perCertificate);
    this.#host = {
      clock,
      log,
      observer: options.observer ?? {},
      admit: options.admit,
      schedule: (stream) => this.#flushes.schedule(stream),
      enqueue: (stream) => this.#enqueue(stream),
      forget: (stream) => this.#forget(stream),
      mayLog: () => logs.take(clock.monotonicMs()),
      // Whoever has no name shares one pace, as one lane.
      chargeNames: (peer, count) => {
        const nowMs = clock.monotonicMs();
        const debtMs = byCertificate.charge(peer?.leafSha256 ?? "", count, nowMs);
        // What one workload owes is its own matter: the others of its identity do not pay for it.
        return debtMs > 0 ? debtMs : byIdentity.charge(peer?.id ?? "", count, nowMs);
      },
      debtOf: ({ leafSha256 }) => byCertificate.charge(leafSha256, 0, clock.monotonicMs()),
    };
    this.#anonymous = new AnonymousStreams(clock.monotonicMs());
    this.#perPeer = new PeerCount("streams", { ...defaultPeerLimits, ...options.peerLimits });
    this.#sweep = setInterval(() => this.#endStuck(), sweepEveryMs);
    this.#sweep.unref();
  }

  /** Serves both dialects there; `door`: if not that of the options. */
  register(server: Server, door: Door = this.#options): void {
    const { limits = {} } = this.#options;
    const shared = { common: this.#common, strange: this.#strange };
    this.#registerOne(server, {
      name: "DeltaAggregatedResources",
      decode: decodeDeltaRequest,
      countNames: ({ subscribe, unsubscribe, initialVersions }) =>
        subscribe.length + unsubscribe.length + initialVersions.size,
      door,
      dialect: "delta",
      openSession: (view) =>
        new DeltaSession({ view, responses: this.#deltaResponses, ...shared, limits }),
    });
    this.#registerOne(server, {
      name: "StreamAggregatedResources",
      decode: decodeSotwRequest,
      countNames: ({ names }) => names.length,
      door,
      dialect: "sotw",
      openSession: (view) =>
        new SotwSession({ view, responses: this.#sotwResponses, ...shared, limits }),
    });
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

  /** The streams that were let in; what they hold is looked up when it is asked for. */
  holders(): readonly Holder[] {
    return [...this.#streams]
      .filter(({ nodeId }) => nodeId !== undefined)
      .map((stream) => ({
        nodeId: stream.nodeId ?? "",
        remote: stream.remote,
        ...(stream.peer === undefined ? {} : { peer: stream.peer }),
        held: (type) => stream.heldResources(type),
      }));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweep);
    clearTimeout(this.#nextAdmission);
    for (const stream of this.#streams) stream.close();
  }

  #registerOne<Request extends AnyRequest>(
    server: Server,
    method: Pick<StreamOptions<Request>, "dialect" | "openSession" | "countNames"> & {
      readonly name: string;
      readonly decode: (bytes: Buffer) => Decoded<Request>;
      readonly door: Door;
    },
  ): void {
    const { name, decode, door, ...dialect } = method;
    server.register(
      `${service}/${name}`,
      (call: AdsCall<Request>) => {
        const peer = door.peerOf(call.getPeer());
        const known = peer === undefined ? {} : { peer };
        const stream = new AdsStream<Request>(call, { host: this.#host, ...dialect, ...known });
        this.#accept(stream, door);
      },
      // Responses are bytes already.
      (bytes: Buffer) => bytes,
      decode,
      "bidi",
    );
  }

  #accept(stream: OpenStream, door: Door): void {
    this.#streams.add(stream);
    const { peer } = stream;
    if (peer === undefined && door.allowsAnonymous !== true) {
      return stream.end(status.UNAUTHENTICATED, "the connection proved no identity");
    }
    const nowMs = this.#options.clock.monotonicMs();
    const entry = peer === undefined ? this.#anonymous.enter(nowMs) : this.#perPeer.enter(peer);
    if (entry.t === "ok") {
      this.#leave.set(stream, entry.leave);
      // Or it would owe nothing as soon as it comes again.
      if (peer !== undefined) stream.rest(this.#host.debtOf(peer));
    } else {
      this.#options.observer?.onLimit?.();
      stream.end(status.RESOURCE_EXHAUSTED, entry.reason);
    }
  }

  #enqueue(stream: OpenStream): void {
    const nowMs = this.#options.clock.monotonicMs();
    // Whoever has no name shares one lane.
    const lane = stream.peer?.id ?? "";
    if (this.#waiting.enter(stream, { lane, nowMs })) this.#letIn();
    else stream.end(status.UNAVAILABLE, "too many streams wait to be let in");
  }

  #letIn(): void {
    if (!this.#options.isWarm()) return;
    const nowMs = this.#options.clock.monotonicMs();
    while (this.#waiting.size > 0 && this.#admission.take(nowMs)) this.#waiting.next()?.admit();
    if (this.#waiting.size === 0 || this.#nextAdmission !== undefined) return;
    this.#nextAdmission = setTimeout(() => {
      this.#nextAdmission = undefined;
      this.#letIn();
    }, this.#admission.waitMs(nowMs));
  }

  #forget(stream: OpenStream): void {
    this.#streams.delete(stream);
    this.#waiting.delete(stream);
    this.#leave.get(stream)?.();
    this.#leave.delete(stream);
  }

  #endStuck(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const stream of this.#streams) {
      if (stream.stuckMs(nowMs) > maxStuckMs)
        stream.end(status.ABORTED, "the client takes no bytes");
    }
    for (const stream of this.#waiting.waitingSince(nowMs - maxWaitMs)) {
      stream.end(status.UNAVAILABLE, "the agent does not know enough yet");
    }
  }
}
