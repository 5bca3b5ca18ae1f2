import { status } from "@grpc/grpc-js";
import { type ErrorCode, MeshError, reasonOf } from "../../mesh/errors.ts";
import { codeTrailer } from "../../xds/issuing.ts";
import { type GrpcRefusal, grpcRefusal } from "./grpc-refusal.ts";

const statuses: Readonly<Partial<Record<ErrorCode, status>>> = {
  MESH_TRUST_CSR_REFUSED: status.INVALID_ARGUMENT,
  MESH_TRUST_ISSUE_REFUSED: status.PERMISSION_DENIED,
  MESH_TRUST_IDENTITY_REFUSED: status.PERMISSION_DENIED,
  MESH_TOKEN_MALFORMED: status.UNAUTHENTICATED,
  MESH_TOKEN_UNTRUSTED: status.UNAUTHENTICATED,
  MESH_TOKEN_AUDIENCE: status.UNAUTHENTICATED,
  MESH_TOKEN_EXPIRED: status.UNAUTHENTICATED,
  MESH_TOKEN_EARLY: status.UNAUTHENTICATED,
  MESH_TOKEN_UNBOUND: status.UNAUTHENTICATED,
  MESH_TOKEN_UNPROVEN: status.UNAVAILABLE,
  MESH_JOIN_TOKEN_MALFORMED: status.UNAUTHENTICATED,
  MESH_JOIN_TOKEN_UNKNOWN: status.UNAUTHENTICATED,
  MESH_JOIN_TOKEN_ELSEWHERE: status.UNAUTHENTICATED,
  MESH_JOIN_TOKEN_EARLY: status.UNAUTHENTICATED,
  MESH_JOIN_TOKEN_EXPIRED: status.UNAUTHENTICATED,
  MESH_JOIN_TOKEN_REVOKED: status.UNAUTHENTICATED,
  MESH_JOIN_TOKEN_USED: status.UNAUTHENTICATED,
  MESH_JOIN_TOKEN_ADDRESS: status.PERMISSION_DENIED,
  MESH_JOIN_TOKEN_SUBJECT: status.PERMISSION_DENIED,
  MESH_JOIN_TOKEN_UNPROVEN: status.UNAVAILABLE,
  MESH_TRUST_SIGNER_MISSING: status.FAILED_PRECONDITION,
  MESH_XDS_LIMIT: status.RESOURCE_EXHAUSTED,
};

// Why nobody can judge a token names hosts, ports and paths, and whoever asks has proven nothing.
const publicSentences: Readonly<Partial<Record<ErrorCode, string>>> = {
  MESH_TOKEN_UNPROVEN:
    "Cannot judge token: neither the cluster's keys nor its API server can be reached; the agent's log says why",
  MESH_JOIN_TOKEN_UNPROVEN:
    "Cannot judge join token: the agent cannot read its tokens or WorkloadGroups now; its log says why",
};

/** How a refused certificate is answered. */
export function refusalOf(error: unknown): GrpcRefusal {
  return grpcRefusal(error, {
    statuses,
    sentences: publicSentences,
    broken: "the agent could not issue",
  });
}

const httpStatuses: ReadonlyMap<status, number> = new Map([
  [status.INVALID_ARGUMENT, 400],
  [status.UNAUTHENTICATED, 401],
  [status.PERMISSION_DENIED, 403],
  [status.FAILED_PRECONDITION, 409],
  [status.RESOURCE_EXHAUSTED, 429],
  [status.UNAVAILABLE, 503],
]);

/** The same over plain HTTP, which has two refusals more: no such page, and a request that says nothing sound. */
export function httpRefusalOf(error: unknown): {
  readonly status: number;
  readonly type: string;
  readonly body: string;
} {
  const own = error instanceof MeshError ? ownHttpStatus[error.code] : undefined;
  const { code, details, metadata } = refusalOf(error);
  const answer =
    own === undefined
      ? { code: String(metadata.get(codeTrailer)[0]), message: details }
      : { code: (error as MeshError).code, message: reasonOf(error) };
  return {
    status: own ?? httpStatuses.get(code) ?? 500,
    type: "application/json",
    body: `${JSON.stringify(answer)}\n`,
  };
}

const ownHttpStatus: Readonly<Partial<Record<ErrorCode, number>>> = {
  MESH_NOT_FOUND: 404,
  MESH_USAGE: 400,
};
