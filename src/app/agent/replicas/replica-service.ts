import { type Server, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import type { SpiffeId } from "../../../mesh/ids.ts";
import type { Peer } from "../../../mesh/ports.ts";
import type { Served } from "../proxies/served-by.ts";
import { type SharedTally, tallyFrom } from "../rotation/tally.ts";
import { claimsIn } from "../sidecars/claims-in.ts";
import type { SidecarClaim, SidecarProofs } from "../sidecars/sidecar-proofs.ts";
import {
  type RegisteredKnowledge,
  type RegisteredShare,
  registeredFor,
  registeredFrom,
} from "./registered-share.ts";

/**
 * What replicas tell each other: the sidecars that one of them has seen, so that all of them give the
 * same answer to a proxy. JSON, because both ends are of one release or the next.
 */
export interface ReplicaKnowledge {
  /** Of the agent that answers, as its heads name it; absent before it has one. */
  readonly instance?: string;
  /** Changes with the content; a caller that names it is spared the content. */
  readonly version: string;
  /** Absent: as at the version that was asked with. */
  readonly proofs?: readonly SidecarClaim[];
  /** What has its stream there now; absent: too much to say each second, or an older release. */
  readonly served?: readonly string[];
  /** How far its proxies have followed a rotation of the root; absent: an older release. */
  readonly tally?: SharedTally;
  /** Absent: it lets no workloads register, or an older release. */
  readonly registered?: RegisteredShare;
}

export interface ReplicaQuestion {
  /** What the caller has; empty: nothing. */
  readonly version: string;
  /** The same of registered workloads. */
  readonly registered: string;
}

/** gRPC path. */
export const sharePath = "/isthmus.agent.v1.ReplicaService/Share";

/** As many as an agent keeps, with long names. */
export const maxShareBytes: number = 16 * 1024 * 1024;
const maxVersionBytes = 256;
/** A few hundred kilobytes. */
const maxServed = 10_000;

/** Serves this agent's knowledge to the other agents of its member, and to nobody else. */
export function registerReplicas(
  server: Server,
  options: {
    /** Every agent of this member has it. */
    readonly agentId: SpiffeId;
    readonly peerOf: (remote: string) => Peer | undefined;
    readonly proofs: Pick<SidecarProofs, "all" | "version">;
    readonly instance: () => string | undefined;
    readonly served: () => Served;
    readonly tally: () => SharedTally;
    readonly registration?: RegisteredKnowledge;
  },
): void {
  const { agentId, peerOf, proofs } = options;
  server.register<ReplicaQuestion, ReplicaKnowledge>(
    sharePath,
    (
      call: ServerUnaryCall<ReplicaQuestion, ReplicaKnowledge>,
      reply: sendUnaryData<ReplicaKnowledge>,
    ) => {
      if (peerOf(call.getPeer())?.id !== agentId) {
        return reply({
          code: status.PERMISSION_DENIED,
          details: "only agents of this member share",
        });
      }
      const version = proofs.version();
      const instance = options.instance();
      const served = options.served();
      const { registration } = options;
      const own = {
        version,
        ...(registration === undefined
          ? {}
          : { registered: registeredFor(call.request.registered, registration) }),
        ...(instance === undefined ? {} : { instance }),
        tally: options.tally(),
        ...(served.size > maxServed ? {} : { served: [...served] }),
      };
      reply(null, call.request.version === version ? own : { ...own, proofs: proofs.all() });
    },
    (knowledge) => Buffer.from(JSON.stringify(knowledge)),
    // An object, because the library takes an empty text for no request at all.
    decodeQuestion,
    "unary",
  );
}

export function encodeQuestion({ version, registered }: ReplicaQuestion): Buffer {
  return Buffer.from(`${version}\n${registered}`);
}

/** Never throws. */
function decodeQuestion(bytes: Buffer): ReplicaQuestion {
  const text = bytes.length > maxVersionBytes ? "" : bytes.toString("utf8");
  const [version = "", registered = ""] = text.split("\n");
  return { version, registered };
}

/** Throws what is wrong with it. */
export function decodeKnowledge(bytes: Uint8Array): ReplicaKnowledge {
  const value = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
    readonly instance?: unknown;
    readonly version?: unknown;
    readonly proofs?: unknown;
    readonly served?: unknown;
    readonly tally?: unknown;
    readonly registered?: unknown;
  };
  const registered = registeredFrom(value.registered);
  if (typeof value.version !== "string") throw new TypeError("it has no version");
  return {
    version: value.version.slice(0, maxVersionBytes),
    ...(typeof value.instance === "string" ? { instance: value.instance } : {}),
    ...(value.proofs === undefined ? {} : { proofs: claimsIn(value.proofs) }),
    ...(Array.isArray(value.served)
      ? { served: value.served.slice(0, maxServed).map(String) }
      : {}),
    ...(value.tally === undefined ? {} : { tally: tallyFrom(value.tally) }),
    ...(registered === undefined ? {} : { registered }),
  };
}
