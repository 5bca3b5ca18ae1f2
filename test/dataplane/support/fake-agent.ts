import { EventEmitter, once } from "node:events";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { type EngineType, engineTypes } from "../../../src/dataplane/config/state.ts";
import type { Identity } from "../../../src/mesh/ports.ts";
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
} from "../../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from "../../../src/xds/gen/envoy/service/discovery/v3/discovery_pb.ts";
import { typeUrls } from "../../../src/xds/resource.ts";
import { FakeLoads } from "./fake-loads.ts";
import type { TestResource } from "./resources.ts";

type Stream = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

export interface Answer {
  readonly type: EngineType;
  readonly nonce: string;
  /** Empty: an ACK. */
  readonly refusal: string;
}

/** A small delta ADS server: what is set is sent, to wildcards whole and to names by name. */
export class FakeAgent extends EventEmitter<{ answer: [Answer]; stream: [DeltaDiscoveryRequest] }> {
  readonly #resources = new Map<string, TestResource>();
  readonly #streams = new Map<Stream, Map<EngineType, Set<string>>>();
  #server: Server | undefined;
  #nonce = 0;
  port = 0;
  readonly requests: DeltaDiscoveryRequest[] = [];
  readonly loads: FakeLoads = new FakeLoads();

  static async start(identity: Identity, port = 0): Promise<FakeAgent> {
    const agent = new FakeAgent();
    await agent.listen(identity, port);
    return agent;
  }

  async listen(identity: Identity, port: number): Promise<void> {
    const server = new Server();
    const serialize = (message: DeltaDiscoveryResponse): Buffer =>
      Buffer.from(toBinary(DeltaDiscoveryResponseSchema, message));
    const deserialize = (bytes: Buffer): DeltaDiscoveryRequest =>
      fromBinary(DeltaDiscoveryRequestSchema, bytes);
    server.addService(
      {
        delta: {
          path: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
          requestStream: true,
          responseStream: true,
          requestSerialize: (message: DeltaDiscoveryRequest) =>
            Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message)),
          requestDeserialize: deserialize,
          responseSerialize: serialize,
          responseDeserialize: (bytes: Buffer) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
        },
      },
      { delta: (stream: Stream) => this.#serve(stream) },
    );
    this.loads.register(server);
    const pair = {
      private_key: Buffer.from(identity.privateKeyPem.reveal()),
      cert_chain: Buffer.from(identity.certChainPem),
    };
    const credentials = ServerCredentials.createSsl(Buffer.from(identity.bundlePem), [pair], true);
    this.port = await new Promise((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    this.#server = server;
  }

  /** Upserts and sends to everyone subscribed. */
  set(...resources: readonly TestResource[]): void {
    for (const resource of resources)
      this.#resources.set(`${resource.type} ${resource.name}`, resource);
    for (const type of engineTypes) {
      const changed = resources.filter((resource) => resource.type === type);
      if (changed.length > 0)
        for (const stream of this.#streams.keys())
          this.#push(stream, { type, resources: changed, removed: [] });
    }
  }

  remove(type: EngineType, name: string): void {
    this.#resources.delete(`${type} ${name}`);
    for (const stream of this.#streams.keys())
      this.#push(stream, { type, resources: [], removed: [name] });
  }

  /** The next ACK or NACK of that type. */
  async answered(type: EngineType): Promise<Answer> {
    for (;;) {
      const [answer] = await once(this, "answer");
      if (answer.type === type) return answer;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
  }

  stop(): void {
    this.#server?.forceShutdown();
    this.#streams.clear();
  }

  #serve(stream: Stream): void {
    const subscriptions = new Map<EngineType, Set<string>>();
    this.#streams.set(stream, subscriptions);
    stream.on("error", () => {});
    stream.on("close", () => this.#streams.delete(stream));
    stream.on("end", () => stream.end());
    stream.on("data", (request: DeltaDiscoveryRequest) =>
      this.#take({ stream, subscriptions, request }),
    );
  }

  #take({
    stream,
    subscriptions,
    request,
  }: {
    stream: Stream;
    subscriptions: Map<EngineType, Set<string>>;
    request: DeltaDiscoveryRequest;
  }): void {
    this.requests.push(request);
    const type = engineTypes.find((candidate) => typeUrls[candidate] === request.typeUrl);
    if (type === undefined) return;
    if (subscriptions.size === 0) this.emit("stream", request);
    if (request.responseNonce !== "") {
      this.emit("answer", {
        type,
        nonce: request.responseNonce,
        refusal: request.errorDetail?.message ?? "",
      });
    }
    const isFirst = !subscriptions.has(type);
    const names = subscriptions.get(type) ?? new Set();
    subscriptions.set(type, names);
    for (const name of request.resourceNamesUnsubscribe) names.delete(name);
    for (const name of request.resourceNamesSubscribe) names.add(name);
    const isWildcard = type === "cluster" || type === "listener";
    const wanted = isWildcard
      ? isFirst
        ? this.#all(type)
        : []
      : this.#named(type, request.resourceNamesSubscribe);
    const known = request.initialResourceVersions;
    const resources = wanted.filter(({ name, version }) => known[name] !== version);
    const missing = isWildcard
      ? []
      : request.resourceNamesSubscribe.filter((name) => !this.#resources.has(`${type} ${name}`));
    if (isFirst || resources.length > 0 || missing.length > 0)
      this.#push(stream, { type, resources, removed: missing });
  }

  #all(type: EngineType): TestResource[] {
    return [...this.#resources.values()].filter((resource) => resource.type === type);
  }

  #named(type: EngineType, names: readonly string[]): TestResource[] {
    return this.#all(type).filter(({ name }) => names.includes(name));
  }

  #push(
    stream: Stream,
    {
      type,
      resources,
      removed,
    }: { type: EngineType; resources: readonly TestResource[]; removed: readonly string[] },
  ): void {
    const subscriptions = this.#streams.get(stream);
    const names = subscriptions?.get(type);
    if (names === undefined) return;
    const isWildcard = type === "cluster" || type === "listener";
    const sent = resources.filter(({ name }) => isWildcard || names.has(name));
    stream.write(
      create(DeltaDiscoveryResponseSchema, {
        typeUrl: typeUrls[type],
        nonce: String(++this.#nonce),
        resources: sent.map(({ name, version, value }) => ({
          name,
          version,
          resource: { typeUrl: typeUrls[type], value },
        })),
        removedResources: [...removed],
      }),
    );
  }
}
