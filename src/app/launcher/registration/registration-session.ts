import type { Client, ClientDuplexStream } from "@grpc/grpc-js";
import { openAgentChannel } from "../../../dataplane/io/agent-channel.ts";
import type { HostPort } from "../../../mesh/address.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { SpiffeId } from "../../../mesh/ids.ts";
import type { IdentitySource } from "../../../mesh/ports.ts";
import type { GroupDefinition } from "../../../mesh/workload-group.ts";
import {
  encodeRegisterRequest,
  type HealthChange,
  type RegisterRequest,
  type Registration,
  registerPath,
} from "../../../xds/registering/requests.ts";
import {
  decodeRegisterResponse,
  type RegisterResponse,
} from "../../../xds/registering/responses.ts";
import { spiffeIdOf } from "../spiffe-id-of.ts";

export interface SessionOptions {
  readonly agent: HostPort;
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  readonly registration: Registration;
  readonly onDefinition: (definition: GroupDefinition) => void;
  /** Once, whoever ended it. */
  readonly onEnd: (reason: string) => void;
}

type Stream = ClientDuplexStream<RegisterRequest, RegisterResponse | undefined>;

/** One stream to one agent, on a connection of its own with the identity that counts when it begins. */
export class RegistrationSession {
  readonly #options: SessionOptions;
  readonly #client: Client;
  readonly #stream: Stream;
  readonly #left = Promise.withResolvers<readonly string[]>();
  #isEnded = false;
  /** The agent has taken the registration. */
  isAccepted = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#left.promise.catch(() => undefined);
    this.#client = openAgentChannel(
      { ...options, spiffeIdOf },
      {
        "grpc.enable_retries": 0,
        // Tells a vanished agent from a quiet one.
        "grpc.keepalive_time_ms": 10_000,
        "grpc.keepalive_timeout_ms": 5_000,
        "grpc.max_receive_message_length": 256 * 1024,
      },
    );
    this.#stream = this.#client.makeBidiStreamRequest(
      registerPath,
      encodeRegisterRequest,
      decodeRegisterResponse,
    );
    this.#stream.on("data", (response: RegisterResponse | undefined) => this.#take(response));
    this.#stream.on("error", (error) => this.#end(reasonOf(error)));
    this.#stream.on("end", () => this.#end("the agent ended the stream"));
    this.#stream.write({ t: "registration", registration: options.registration });
  }

  say(change: HealthChange): void {
    if (!this.#isEnded) this.#stream.write({ t: "health", change });
  }

  /** Resolves with whoever may still open connections to this workload. Rejects when the stream ends before. */
  async leave(waitMs: number): Promise<readonly string[]> {
    if (!this.#isEnded) this.#stream.write({ t: "leaving", waitMs });
    return await this.#left.promise;
  }

  close(): void {
    this.#end("closed");
  }

  #take(response: RegisterResponse | undefined): void {
    if (this.#isEnded || response === undefined) return;
    if (response.t === "left") return this.#left.resolve(response.missing);
    this.isAccepted = true;
    this.#options.onDefinition(response.definition);
  }

  #end(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#left.reject(new Error(reason));
    this.#stream.cancel();
    this.#client.close();
    this.#options.onEnd(reason);
  }
}
