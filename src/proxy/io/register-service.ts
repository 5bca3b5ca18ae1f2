import {
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Clock, Log, Peer } from "../../mesh/ports.ts";
import type { GroupDefinition } from "../../mesh/workload-group.ts";
import { pacedLog } from "../../telemetry/paced-log.ts";
import { Admission, type AdmissionLimits } from "../../xds/admission.ts";
import { definitionBytes } from "../../xds/registering/definition.ts";
import {
  decodeRegisterRequest,
  describePath,
  type RegisterRequest,
  registerPath,
} from "../../xds/registering/requests.ts";
import {
  decodeDescribeRequest,
  encodeRegisterResponse,
  type RegisterResponse,
} from "../../xds/registering/responses.ts";
import type { Decoded } from "../../xds/wire-fields.ts";
import { PeerPace } from "../peer-pace.ts";
import type { RegisteredWorkload, RegistrationDesk } from "../registration-desk.ts";
import { registrationRefusal } from "./register-refusal.ts";

export interface RegisterOptions {
  readonly peerOf: (remote: string) => Peer | undefined;
  /** Undefined: this agent lets no workloads register. */
  readonly desk: RegistrationDesk | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

// Two thousand that come back to a replica at once are in within a few seconds; each pauses in between.
const arrivals: AdmissionLimits = { perSecond: 500, burst: 1000 };
// A workload registers when it starts, renews its certificate or lost its agent. Without it one of them, of no group
// even, used up what there is for all.
const arrivalsOfOne: AdmissionLimits = { perSecond: 1, burst: 20 };
// A check that flaps each second is heard; a program gone wild is not.
const words: AdmissionLimits = { perSecond: 1, burst: 30 };
// Whoever opens a stream and says nothing.
const firstWordMs = 10_000;
const refusals = { burst: 20, perSecond: 1 };
// The farewell of a sidecar has less.
const maxWaitMs = 60_000;

type Call = ServerDuplexStream<Decoded<RegisterRequest>, RegisterResponse>;

/** Serves `isthmus.workload.v1.WorkloadService`. */
export function registerWorkloads(server: Server, options: RegisterOptions): void {
  const { clock, peerOf } = options;
  const pace = new Admission(arrivals, clock.monotonicMs());
  const ownPaces = new PeerPace(arrivalsOfOne);
  const log = pacedLog(options.log, refusals, () => clock.monotonicMs());
  server.register<Decoded<RegisterRequest>, RegisterResponse>(
    registerPath,
    (call: Call) => void new WorkloadStream(call, { ...options, log, pace, ownPaces }),
    encodeRegisterResponse,
    decodeRegisterRequest,
    "bidi",
  );
  server.register<{ readonly group: string }, GroupDefinition>(
    describePath,
    (
      call: ServerUnaryCall<{ readonly group: string }, GroupDefinition>,
      reply: sendUnaryData<GroupDefinition>,
    ) => {
      try {
        const peer = peerIn(peerOf(call.getPeer()));
        reply(null, deskIn(options.desk).describe(peer.id, call.request.group));
      } catch (thrown) {
        reply(registrationRefusal(thrown));
      }
    },
    (definition) => Buffer.from(definitionBytes(definition)),
    decodeDescribeRequest,
    "unary",
  );
}

function peerIn(peer: Peer | undefined): Peer {
  if (peer !== undefined) return peer;
  throw refusal("the connection proved no identity");
}

function deskIn(desk: RegistrationDesk | undefined): RegistrationDesk {
  if (desk !== undefined) return desk;
  throw new MeshError(
    "MESH_REGISTRATION_OFF",
    "Cannot register: this agent's `sources` have no `registration`",
  );
}

function limited(truth: string): MeshError {
  return new MeshError("MESH_REGISTRATION_LIMIT", `Cannot register: ${truth}`);
}

function refusal(truth: string): MeshError {
  return new MeshError("MESH_REGISTRATION_REFUSED", `Cannot register: ${truth}`);
}

interface StreamOptions extends RegisterOptions {
  /** Of all workloads together. */
  readonly pace: Admission;
  /** By certificate. */
  readonly ownPaces: PeerPace;
}

/** One workload's stream, from its first word on. */
class WorkloadStream {
  readonly #call: Call;
  readonly #options: StreamOptions;
  readonly #words: Admission;
  readonly #gone = new AbortController();
  readonly #silence: NodeJS.Timeout;
  #workload: RegisteredWorkload | undefined;
  #isLeaving = false;
  #isEnded = false;

  constructor(call: Call, options: StreamOptions) {
    this.#call = call;
    this.#options = options;
    this.#words = new Admission(words, options.clock.monotonicMs());
    this.#silence = setTimeout(() => this.#refuse(refusal("it said nothing")), firstWordMs);
    call.on("data", (message: Decoded<RegisterRequest>) => this.#take(message));
    call.on("error", () => this.#ended());
    call.on("cancelled", () => this.#ended());
    call.on("close", () => this.#ended());
    // Half closed: nothing more will come.
    call.on("end", () => {
      if (!this.#isLeaving) this.#refuse(refusal("it stopped speaking"));
    });
  }

  #take(message: Decoded<RegisterRequest>): void {
    if (this.#isEnded) return;
    try {
      if (message.t === "refused") throw refusal(message.reason);
      this.#obey(message.value);
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  #obey(request: RegisterRequest): void {
    const workload = this.#workload;
    if (workload === undefined) {
      if (request.t !== "registration") throw refusal("it did not say first who it is");
      this.#workload = this.#open(request);
      clearTimeout(this.#silence);
      return;
    }
    if (!this.#words.take(this.#options.clock.monotonicMs())) {
      throw limited("it changes too often");
    }
    switch (request.t) {
      case "registration":
        throw refusal("it said twice who it is");
      case "health":
        return workload.say(request.change);
      case "leaving":
        return this.#leave(workload, Math.min(maxWaitMs, request.waitMs));
    }
  }

  #open({ registration }: Extract<RegisterRequest, { t: "registration" }>): RegisteredWorkload {
    const { peerOf, pace, ownPaces, clock, desk } = this.#options;
    const remote = this.#call.getPeer();
    const { id: peer, leafSha256 } = peerIn(peerOf(remote));
    const nowMs = clock.monotonicMs();
    if (ownPaces.take(leafSha256, nowMs) > 0) throw limited("it comes back too often");
    if (!pace.take(nowMs)) throw limited("too many come at once");
    const remoteAddress = remote.slice(0, remote.lastIndexOf(":"));
    return deskIn(desk).open(
      { peer, certificate: leafSha256, remoteAddress, registration },
      {
        tell: (definition) => {
          if (!this.#isEnded) this.#call.write({ t: "definition", definition });
        },
        end: (reason) => this.#refuse(reason),
      },
    );
  }

  #leave(workload: RegisteredWorkload, waitMs: number): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    workload.leave({ waitMs, signal: this.#gone.signal }).then(
      (missing) => {
        if (this.#isEnded) return;
        this.#call.write({ t: "left", missing });
        this.#ended();
        this.#call.end();
      },
      (thrown: unknown) => this.#refuse(thrown),
    );
  }

  #refuse(thrown: unknown): void {
    if (this.#isEnded) return;
    const peer = this.#options.peerOf(this.#call.getPeer())?.id;
    this.#ended();
    if (thrown instanceof MeshError) {
      this.#options.log.warn({ peer, reason: thrown.message }, "Registration ended");
    } else
      this.#options.log.error(
        { err: thrown, peer, reason: reasonOf(thrown) },
        "Registration failed",
      );
    this.#call.emit("error", registrationRefusal(thrown));
  }

  #ended(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#silence);
    this.#gone.abort(new Error("the workload's stream has ended"));
    this.#workload?.ended();
  }
}
