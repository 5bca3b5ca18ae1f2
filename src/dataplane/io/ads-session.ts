import { create, fromBinary, type JsonObject, toBinary } from "@bufbuild/protobuf";
import type { Client, ClientDuplexStream } from "@grpc/grpc-js";
import type { HostPort } from "../../mesh/address.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { Log, Random } from "../../mesh/ports.ts";
import { NodeSchema } from "../../xds/gen/envoy/config/core/v3/base_pb.ts";
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
} from "../../xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from "../../xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { typeUrls } from "../../xds/resource.ts";
import type { Applied, ConfigState, Delta, EngineType } from "../config/state.ts";
import { engineTypes, versionsOf, wantedNames } from "../config/state.ts";
import type { EngineCounters } from "../counters.ts";
import { type AgentChannelOptions, openAgentChannel } from "./agent-channel.ts";

const method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const invalidArgument = 3;

export interface NodeIdentity {
  readonly id: string;
  readonly metadata: JsonObject;
}

export interface AdsOptions extends AgentChannelOptions {
  /** Asked in this order when the first does not answer. */
  readonly otherAgents?: readonly HostPort[];
  readonly node: NodeIdentity;
  readonly config: ConfigState;
  readonly counters: EngineCounters;
  readonly log: Log;
  readonly random: Random;
  /** Applies one response before it is answered. */
  readonly onDelta: (delta: Delta) => Applied;
  /** After the answer to that response was written. */
  readonly onAnswered: (delta: Delta) => void;
  /** Opens what shares the connection, once the agent has answered. */
  readonly openBeside?: (client: Client) => { readonly close: () => void };
}

type Stream = ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/** One connection to the agent with one delta stream. */
export class AdsSession {
  readonly #options: AdsOptions;
  readonly #onEnd: (reason: string) => void;
  readonly #client: Client;
  readonly #subscribed: Record<"endpoint" | "secret", Set<string>> = {
    endpoint: new Set(),
    secret: new Set(),
  };
  readonly #asked = new Set<EngineType>();
  #stream: Stream | undefined;
  #beside: { readonly close: () => void } | undefined;
  isAnswered = false;

  constructor(options: AdsOptions, onEnd: (reason: string) => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.#client = openAgentChannel(options, {
      "grpc.enable_retries": 0,
      // Tells a vanished agent from a quiet one.
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.max_receive_message_length": 16 * 1024 * 1024,
    });
  }

  start(): void {
    const { counters } = this.#options;
    counters.xdsStreams += 1;
    const stream: Stream = this.#client.makeBidiStreamRequest(
      method,
      (request) => Buffer.from(toBinary(DeltaDiscoveryRequestSchema, request)),
      (bytes) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
    );
    this.#stream = stream;
    stream.on("data", (response: DeltaDiscoveryResponse) => this.#answer(response));
    stream.on("error", (error) => this.#end(reasonOf(error)));
    stream.on("end", () => this.#end("the agent ended the stream"));
    this.#ask("cluster");
    this.resubscribe();
    this.#ask("listener");
  }

  close(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#beside?.close();
    stream?.cancel();
    this.#client.close();
  }

  resubscribe(): void {
    if (this.#stream === undefined) return;
    const wanted = wantedNames(this.#options.config);
    for (const type of ["endpoint", "secret"] as const) {
      const have = this.#subscribed[type];
      const added = [...wanted[type]].filter((name) => !have.has(name));
      const gone = [...have].filter((name) => !wanted[type].has(name));
      if (added.length === 0 && gone.length === 0) continue;
      this.#subscribed[type] = new Set(wanted[type]);
      this.#ask(type, { added, gone });
    }
  }

  #end(reason: string): void {
    if (this.#stream === undefined) return;
    this.close();
    this.#onEnd(reason);
  }

  /** The first request of a type tells what this client already holds; CDS and LDS are wildcards. */
  #ask(
    type: EngineType,
    names: { readonly added: string[]; readonly gone: string[] } = { added: [], gone: [] },
  ): void {
    const { config, node } = this.#options;
    const isFirstOfStream = this.#asked.size === 0;
    const isFirst = !this.#asked.has(type);
    this.#asked.add(type);
    this.#write({
      typeUrl: typeUrls[type],
      resourceNamesSubscribe: names.added,
      resourceNamesUnsubscribe: names.gone,
      ...(isFirst ? { initialResourceVersions: versionsOf(config, type) } : {}),
      // As with Envoy's set_node_on_first_message_only.
      ...(isFirstOfStream
        ? { node: create(NodeSchema, { ...node, userAgentName: "isthmus" }) }
        : {}),
    });
  }

  #answer(response: DeltaDiscoveryResponse): void {
    const { counters, log, onDelta, onAnswered } = this.#options;
    const type = engineTypes.find((candidate) => typeUrls[candidate] === response.typeUrl);
    if (type === undefined)
      return this.#end(`the agent sent type "${response.typeUrl}", which was not asked for`);
    this.isAnswered = true;
    this.#beside ??= this.#options.openBeside?.(this.#client);
    const delta = deltaOf(type, response);
    const { refused } = onDelta(delta);
    if (refused.length === 0) counters.xdsAcks += 1;
    else counters.xdsNacks += 1;
    // The form in which Envoy names bad resources; agents read the names out of it.
    const message = refused
      .map(({ name, reason }) => `Error adding/updating ${type}(s) ${name}: ${reason}`)
      .join("\n");
    for (const { name, reason } of refused)
      log.warn({ type, resource: name, reason }, "Resource refused, last good one kept");
    this.#write({
      typeUrl: response.typeUrl,
      responseNonce: response.nonce,
      ...(refused.length === 0
        ? {}
        : {
            errorDetail: {
              $typeName: "google.rpc.Status",
              code: invalidArgument,
              message,
              details: [],
            },
          }),
    });
    // Only these name others.
    if (type === "cluster" || type === "listener") this.resubscribe();
    onAnswered(delta);
  }

  #write(
    request: Omit<
      Parameters<typeof create<typeof DeltaDiscoveryRequestSchema>>[1] & object,
      "$typeName"
    >,
  ): void {
    this.#stream?.write(create(DeltaDiscoveryRequestSchema, request));
  }
}

function deltaOf(type: EngineType, response: DeltaDiscoveryResponse): Delta {
  return {
    type,
    upserts: response.resources.map(({ name, version, resource }) => ({
      name,
      version,
      value: resource?.value ?? new Uint8Array(),
    })),
    removed: response.removedResources,
  };
}
