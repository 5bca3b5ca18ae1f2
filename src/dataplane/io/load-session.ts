import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Client, type ClientDuplexStream, type StatusObject, status } from "@grpc/grpc-js";
import type { Clock, Random } from "../../mesh/ports.ts";
import { NodeSchema } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import {
  type LoadStatsRequest,
  LoadStatsRequestSchema,
  type LoadStatsResponse,
  LoadStatsResponseSchema,
} from "../../xds/gen/envoy/service/load_stats/v3/lrs_pb.ts";
import { loadStatsPath } from "../../xds/load-report.ts";
import type { TakenLoad } from "../load.ts";
import { clusterStatsOf } from "../load-stats.ts";
import type { NodeIdentity } from "./ads-session.ts";

/** Whoever counts what a proxy does. Neither call rejects. */
export interface LoadSource {
  /** Forgets what was counted before; what is open now is news to whoever listens only now. */
  readonly begin: () => Promise<void> | void;
  /** What was counted since `begin` or the last call. */
  readonly take: () => Promise<readonly TakenLoad[]> | readonly TakenLoad[];
}

export interface LoadSessionOptions {
  readonly node: NodeIdentity;
  readonly source: LoadSource;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly random: Random;
  /** Called when the stream has ended by itself, instead of another try over the same connection. */
  readonly onEnded?: () => void;
}

type Stream = ClientDuplexStream<LoadStatsRequest, LoadStatsResponse>;

// An agent that asks for less or more than these would be asking by mistake.
const leastIntervalMs = 100;
const mostIntervalMs = 60_000;
// A proxy without traffic still says so now and then: silence would look like a proxy that hangs.
const quietReports = 5;
const retryMs = 5_000;
// Far below what the agent takes in one message.
const loadsPerMessage = 512;

/** Reports load to the agent over a connection that somebody else opened, for as long as that lives. */
export class LoadSession {
  readonly #options: LoadSessionOptions;
  readonly #client: Client;
  #stream: Stream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #wanted: { readonly isAll: boolean; readonly names: ReadonlySet<string> } | undefined;
  #toldAtMs = 0;
  #quiet = 0;
  #writing = 0;
  #isTaking = false;
  #isClosed = false;

  constructor(client: Client, options: LoadSessionOptions) {
    this.#client = client;
    this.#options = options;
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
    clearTimeout(this.#retry);
  }

  #open(): void {
    const stream: Stream = this.#client.makeBidiStreamRequest(
      loadStatsPath,
      (request) => Buffer.from(toBinary(LoadStatsRequestSchema, request)),
      (bytes) => fromBinary(LoadStatsResponseSchema, bytes),
    );
    this.#stream = stream;
    this.#writing = 0;
    stream.on("data", (response: LoadStatsResponse) => this.#take(response));
    stream.on("error", () => {});
    stream.on("status", ({ code }: StatusObject) => this.#ended(stream, code));
    const node = create(NodeSchema, { ...this.#options.node, userAgentName: "isthmus" });
    stream.write(create(LoadStatsRequestSchema, { node }));
  }

  #ended(stream: Stream, code: status): void {
    if (this.#stream !== stream) return;
    this.#stop();
    // An agent of before load reports is no failure: nobody wants to know.
    if (this.#isClosed || code === status.UNIMPLEMENTED) return;
    const { onEnded } = this.#options;
    if (onEnded !== undefined) return onEnded();
    const delayMs = retryMs * (0.5 + this.#options.random() / 2);
    this.#retry = setTimeout(() => this.#open(), delayMs);
  }

  #stop(): void {
    clearInterval(this.#timer);
    const stream = this.#stream;
    this.#stream = undefined;
    this.#wanted = undefined;
    stream?.cancel();
  }

  /** The agent says how often and about what; the first time is the begin of all counts. */
  #take(response: LoadStatsResponse): void {
    const { seconds = 1n, nanos = 0 } = response.loadReportingInterval ?? {};
    const askedMs = Number(seconds) * 1000 + nanos / 1e6;
    const intervalMs = Math.min(mostIntervalMs, Math.max(leastIntervalMs, askedMs));
    const isFirst = this.#wanted === undefined;
    this.#wanted = { isAll: response.sendAllClusters, names: new Set(response.clusters) };
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#report(), intervalMs);
    // What happened while nobody listened would be a peak of the first second.
    if (isFirst) void this.#begin();
  }

  async #begin(): Promise<void> {
    this.#isTaking = true;
    await this.#options.source.begin();
    this.#isTaking = false;
    this.#toldAtMs = this.#options.clock.monotonicMs();
  }

  async #report(): Promise<void> {
    // The agent takes nothing at the moment, or the source has not answered: counts go on adding up.
    if (this.#writing > 0 || this.#isTaking) return;
    const stream = this.#stream;
    this.#isTaking = true;
    const taken = await this.#options.source.take();
    this.#isTaking = false;
    if (this.#stream !== stream) return;
    const all = taken.filter(({ envoyCluster }) => this.#isWanted(envoyCluster));
    if (all.length === 0 && ++this.#quiet < quietReports) return;
    this.#quiet = 0;
    const nowMs = this.#options.clock.monotonicMs();
    const spanMs = nowMs - this.#toldAtMs;
    this.#toldAtMs = nowMs;
    for (let from = 0; from === 0 || from < all.length; from += loadsPerMessage) {
      this.#write(all.slice(from, from + loadsPerMessage), spanMs);
    }
  }

  #isWanted(envoyCluster: string): boolean {
    return this.#wanted?.isAll === true || this.#wanted?.names.has(envoyCluster) === true;
  }

  #write(loads: readonly TakenLoad[], spanMs: number): void {
    const stream = this.#stream;
    this.#writing += 1;
    const clusterStats = [...clusterStatsOf(loads, { spanMs })];
    stream?.write(create(LoadStatsRequestSchema, { clusterStats }), () => {
      if (this.#stream === stream) this.#writing -= 1;
    });
  }
}
