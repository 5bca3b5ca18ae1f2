import { Metadata, status } from "@grpc/grpc-js";
import { type ErrorCode, MeshError, reasonOf } from "../../mesh/errors.ts";
import { codeTrailer } from "../../xds/issuing.ts";

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
  MESH_XDS_LIMIT: status.RESOURCE_EXHAUSTED,
};

// Why nobody can judge a token names hosts and ports of the cluster, and whoever asks has proven nothing.
const publicSentences: Readonly<Partial<Record<ErrorCode, string>>> = {
  MESH_TOKEN_UNPROVEN:
    "Cannot judge token: neither the cluster's keys nor its API server can be reached; the agent's log says why",
};

/** How a refused certificate is answered: gRPC's status, our sentence, and our code as a trailer. */
export function refusalOf(error: unknown): {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
} {
  const metadata = new Metadata();
  const code = error instanceof MeshError ? statuses[error.code] : undefined;
  if (!(error instanceof MeshError) || code === undefined) {
    // What broke on our side is for our log, not for the caller.
    metadata.set(codeTrailer, "MESH_INTERNAL");
    return { code: status.INTERNAL, details: "the agent could not issue", metadata };
  }
  metadata.set(codeTrailer, error.code);
  return { code, details: publicSentences[error.code] ?? reasonOf(error), metadata };
}
