import { create, toBinary } from "@bufbuild/protobuf";
import { type Server, type ServerDuplexStream, status } from "@grpc/grpc-js";
import { reasonOf } from "../../mesh/errors.ts";
import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import { LoadStatsResponseSchema } from "../../xds/gen/envoy/service/load_stats/v3/lrs_pb.ts";
import { decodeLoadReport, loadStatsPath, type ReportedLoad } from "../../xds/load-report.ts";
import { decodeNode, type NodeClaim } from "../../xds/node.ts";

/** Takes what one proxy reports, until its stream ends. */
export interface LoadReporter {
  readonly take: (loads: readonly ReportedLoad[]) => void;
  readonly close: () => void;
}

export type LoadAdmitted =
  | {
      readonly t: "ok";
      /** Two streams of one key are one proxy: the newer counts. */
      readonly key: string;
      readonly reporter: LoadReporter;
    }
  | { readonly t: "refused"; readonly reason: string };

export interface LoadServiceOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly peerOf: (remote: string) => Peer | undefined;
  /**
   * Decides whose traffic a new stream may report. The node is a claim; the peer and the remote
   * `address:port` are proven.
   */
  readonly admit: (node: NodeClaim, peer: Peer, remote: string) => LoadAdmitted;
  /** Called for each stream that was ended for what it sent or did not prove. */
  readonly onRefused?: () => void;
  /** Default 1 s. */
  readonly intervalMs?: number;
  /** Proxies that may report at once. Default 20,000. */
  readonly maxInAll?: number;
}

type Call = ServerDuplexStream<Buffer, Buffer>;

const defaultIntervalMs = 1000;
// A client that reports on time sends one message a second, or a few when it has very many clusters.
const messages: AdmissionLimits = { perSecond: 10, burst: 20 };
// 1,024 rows with all 60 metrics each; what is more is not a report.
const maxMessageBytes = 2 * 1024 * 1024;
const helloMs = 10_000;
// As many as the agent's port has connections, an identity at most a tenth of them: each costs its last rows.
const defaultMaxInAll = 20_000;
// Replicas of one workload share an identity; a workload with more of them than this is none.
const maxPerIdentity = 2048;
const refusalLogs: AdmissionLimits = { perSecond: 1, burst: 20 };

/** Serves Envoy's load reporting service (LRS) on the port of the xDS streams. */
export class LoadService implements Disposable {
  readonly #options: LoadServiceOptions;
  readonly #streams = new Map<string, LoadStream>();
  readonly #perIdentity = new Map<string, number>();
  readonly #logs: Admission;
  readonly #response: Buffer;

  constructor(options: LoadServiceOptions) {
    this.#options = options;
    this.#logs = new Admission(refusalLogs, options.clock.monotonicMs());
    const intervalMs = options.intervalMs ?? defaultIntervalMs;
    const loadReportingInterval = {
      seconds: BigInt(Math.floor(intervalMs / 1000)),
      nanos: (intervalMs % 1000) * 1e6,
    };
    const response = create(LoadStatsResponseSchema, {
      sendAllClusters: true,
      loadReportingInterval,
    });
    this.#response = Buffer.from(toBinary(LoadStatsResponseSchema, response));
  }

  register(server: Server): void {
    server.register(
      loadStatsPath,
      (call: Call) => this.#accept(call),
      (bytes: Buffer) => bytes,
      // Decoded when it is known that it may be.
      (bytes: Buffer) => bytes,
      "bidi",
    );
  }

  /** How many proxies report. */
  get reporters(): number {
    return this.#streams.size;
  }

  [Symbol.dispose](): void {
    for (const stream of this.#streams.values()) stream.close();
  }

  #accept(call: Call): void {
    const { clock, admit, peerOf } = this.#options;
    const peer = peerOf(call.getPeer());
    const stream: LoadStream = new LoadStream(call, {
      limit: new Admission(messages, clock.monotonicMs()),
      nowMs: clock.monotonicMs,
      admit: (node) => {
        if (peer === undefined)
          return { t: "refused", reason: "the connection proved no identity" };
        const reason = this.#fullness(peer);
        return reason === undefined ? admit(node, peer, call.getPeer()) : { t: "refused", reason };
      },
      onOpen: (key) => {
        this.#streams.get(key)?.end(status.ABORTED, "a newer stream of this proxy reports");
        this.#streams.set(key, stream);
        this.#count(peer, 1);
        call.write(this.#response);
      },
      onRefused: (reason) => this.#refused(peer, reason),
      onClose: (key) => {
        if (this.#streams.get(key) === stream) this.#streams.delete(key);
        this.#count(peer, -1);
      },
    });
  }

  #fullness(peer: Peer): string | undefined {
    const { maxInAll = defaultMaxInAll } = this.#options;
    if ((this.#perIdentity.get(peer.id) ?? 0) >= maxPerIdentity)
      return "too many proxies of its identity report";
    return this.#streams.size >= maxInAll ? "too many proxies report" : undefined;
  }

  #count(peer: Peer | undefined, change: number): void {
    if (peer === undefined) return;
    const count = (this.#perIdentity.get(peer.id) ?? 0) + change;
    if (count > 0) this.#perIdentity.set(peer.id, count);
    else this.#perIdentity.delete(peer.id);
  }

  #refused(peer: Peer | undefined, reason: string): void {
    const { clock, log, onRefused } = this.#options;
    onRefused?.();
    if (!this.#logs.take(clock.monotonicMs())) return;
    log.warn({ peer: peer?.id, reason }, "Load report refused");
  }
}

interface StreamHost {
  readonly limit: Admission;
  readonly nowMs: () => number;
  readonly admit: (node: NodeClaim) => LoadAdmitted;
  readonly onOpen: (key: string) => void;
  readonly onRefused: (reason: string) => void;
  readonly onClose: (key: string) => void;
}

class LoadStream {
  readonly #call: Call;
  readonly #host: StreamHost;
  readonly #hello: NodeJS.Timeout;
  #open: { readonly key: string; readonly reporter: LoadReporter } | undefined;
  #isClosed = false;

  constructor(call: Call, host: StreamHost) {
    this.#call = call;
    this.#host = host;
    this.#hello = setTimeout(
      () => this.#refuse(status.DEADLINE_EXCEEDED, "it does not say who reports"),
      helloMs,
    );
    this.#hello.unref();
    call.on("data", (bytes: Buffer) => this.#receive(bytes));
    for (const event of ["end", "error", "cancelled", "close"]) call.on(event, () => this.close());
  }

  /** Ends the stream with a gRPC status. */
  end(code: status, reason: string): void {
    if (this.#isClosed) return;
    this.#call.emit("error", { code, details: reason });
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#hello);
    if (this.#open !== undefined) {
      this.#host.onClose(this.#open.key);
      this.#open.reporter.close();
    }
    this.#call.end();
  }

  #refuse(code: status, reason: string): void {
    if (this.#isClosed) return;
    this.#host.onRefused(reason);
    this.end(code, reason);
  }

  #receive(bytes: Buffer): void {
    if (this.#isClosed) return;
    if (bytes.length > maxMessageBytes)
      return this.#refuse(status.RESOURCE_EXHAUSTED, `a report of ${bytes.length} bytes`);
    if (!this.#host.limit.take(this.#host.nowMs()))
      return this.#refuse(status.RESOURCE_EXHAUSTED, "it reports too often");
    const decoded = decodeLoadReport(bytes);
    if (decoded.t === "refused") return this.#refuse(status.INVALID_ARGUMENT, decoded.reason);
    const { node, loads } = decoded.value;
    if (this.#open === undefined) this.#admit(node);
    this.#open?.reporter.take(loads);
  }

  #admit(bytes: Uint8Array | undefined): void {
    const node = decodeNode(bytes ?? new Uint8Array());
    if (node.t === "refused") return this.#refuse(status.INVALID_ARGUMENT, `node: ${node.reason}`);
    let admitted: LoadAdmitted;
    try {
      admitted = this.#host.admit(node.value);
    } catch (thrown) {
      // Our own fault; it must not take the process along.
      return this.#refuse(status.INTERNAL, reasonOf(thrown));
    }
    if (admitted.t === "refused") return this.#refuse(status.PERMISSION_DENIED, admitted.reason);
    clearTimeout(this.#hello);
    this.#open = { key: admitted.key, reporter: admitted.reporter };
    this.#host.onOpen(admitted.key);
  }
}
