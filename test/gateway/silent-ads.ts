// An agent that hangs while it tells an Envoy the first time: it says nothing of some types.
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { type DeltaRequest, decodeDeltaRequest, encodeDeltaResponse } from "../../src/xds/codec.ts";
import { type Resource, typeUrls, type XdsType, xdsTypes } from "../../src/xds/resource.ts";

type Stream = ServerDuplexStream<DeltaRequest, Buffer>;

export class SilentAds implements Disposable {
  readonly #server = new Server();
  readonly #resources: readonly Resource[];
  #silent: ReadonlySet<XdsType>;
  /** What is asked for and not yet answered. */
  #owed: (() => void)[] = [];
  #nonce = 0;

  constructor(resources: readonly Resource[], silent: readonly XdsType[]) {
    this.#resources = resources;
    this.#silent = new Set(silent);
    const path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
    this.#server.addService(
      {
        DeltaAggregatedResources: {
          path,
          requestStream: true,
          responseStream: true,
          requestDeserialize: decoded,
          requestSerialize: () => Buffer.alloc(0),
          responseSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      { DeltaAggregatedResources: (stream: Stream) => this.#serve(stream) },
    );
  }

  /** Resolves with its port on loopback. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  /** Says all that it owes. */
  speak(): void {
    this.#silent = new Set();
    for (const answer of this.#owed.splice(0)) answer();
  }

  [Symbol.dispose](): void {
    this.#server.forceShutdown();
  }

  #serve(stream: Stream): void {
    const known = new Set<XdsType>();
    stream.on("error", () => undefined);
    stream.on("data", (request: DeltaRequest) => {
      const type = xdsTypes.find((one) => typeUrls[one] === request.typeUrl);
      if (type === undefined) return;
      const isWildcard = !known.has(type) && request.subscribe.length === 0;
      known.add(type);
      if (!isWildcard && request.subscribe.length === 0) return;
      const answer = (): void => {
        const wanted = this.#resources.filter(
          (one) => one.type === type && (isWildcard || request.subscribe.includes(one.name)),
        );
        const nonce = String((this.#nonce += 1));
        const { typeUrl } = request;
        stream.write(encodeDeltaResponse({ typeUrl, nonce, upserts: wanted, removed: [] }));
      };
      if (this.#silent.has(type)) this.#owed.push(answer);
      else answer();
    });
  }
}

function decoded(bytes: Buffer): DeltaRequest {
  const request = decodeDeltaRequest(bytes);
  if (request.t === "refused") throw new Error(request.reason);
  return request.value;
}
