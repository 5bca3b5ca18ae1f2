import { Metadata, status } from "@grpc/grpc-js";
import { type ErrorCode, MeshError } from "../../mesh/errors.ts";
import { codeTrailer } from "../../xds/issuing.ts";

const statuses: Readonly<Partial<Record<ErrorCode, status>>> = {
  MESH_REGISTRATION_OFF: status.UNIMPLEMENTED,
  MESH_REGISTRATION_REFUSED: status.PERMISSION_DENIED,
  MESH_REGISTRATION_GROUP: status.NOT_FOUND,
  MESH_REGISTRATION_ADDRESS: status.PERMISSION_DENIED,
  MESH_REGISTRATION_REPLACED: status.ABORTED,
  MESH_REGISTRATION_LIMIT: status.RESOURCE_EXHAUSTED,
};

/** How a workload is told that it is not registered: gRPC's status, our sentence, and our code as a trailer. */
export function registrationRefusal(thrown: unknown): {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
} {
  const metadata = new Metadata();
  const code = thrown instanceof MeshError ? statuses[thrown.code] : undefined;
  if (!(thrown instanceof MeshError) || code === undefined) {
    // What broke on our side is for our log, not for the caller.
    metadata.set(codeTrailer, "MESH_INTERNAL");
    return { code: status.INTERNAL, details: "the agent failed", metadata };
  }
  metadata.set(codeTrailer, thrown.code);
  return { code, details: thrown.message, metadata };
}
