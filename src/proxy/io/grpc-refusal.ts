import { Metadata, status } from "@grpc/grpc-js";
import { type ErrorCode, MeshError, reasonOf } from "../../mesh/errors.ts";
import { codeTrailer } from "../../xds/issuing.ts";

/** gRPC's status, a sentence, and our code as a trailer. */
export interface GrpcRefusal {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** How an error is answered; what has no status in the list broke on our side. */
export function grpcRefusal(
  error: unknown,
  how: {
    readonly statuses: Readonly<Partial<Record<ErrorCode, status>>>;
    /** In place of the error's own sentence, where that says too much. */
    readonly sentences?: Readonly<Partial<Record<ErrorCode, string>>>;
    /** Of what is for our log, and not for the caller. */
    readonly broken: string;
  },
): GrpcRefusal {
  const metadata = new Metadata();
  const code = error instanceof MeshError ? how.statuses[error.code] : undefined;
  if (!(error instanceof MeshError) || code === undefined) {
    metadata.set(codeTrailer, "MESH_INTERNAL");
    return { code: status.INTERNAL, details: how.broken, metadata };
  }
  metadata.set(codeTrailer, error.code);
  return { code, details: how.sentences?.[error.code] ?? reasonOf(error), metadata };
}
