import { status } from "@grpc/grpc-js";
import type { ErrorCode } from "../../mesh/errors.ts";
import { type GrpcRefusal, grpcRefusal } from "./grpc-refusal.ts";

const statuses: Readonly<Partial<Record<ErrorCode, status>>> = {
  MESH_REGISTRATION_OFF: status.UNIMPLEMENTED,
  MESH_REGISTRATION_REFUSED: status.PERMISSION_DENIED,
  MESH_REGISTRATION_GROUP: status.NOT_FOUND,
  MESH_REGISTRATION_ADDRESS: status.PERMISSION_DENIED,
  MESH_REGISTRATION_REPLACED: status.ABORTED,
  MESH_REGISTRATION_LIMIT: status.RESOURCE_EXHAUSTED,
};

/** How a workload is told that it is not registered. */
export function registrationRefusal(thrown: unknown): GrpcRefusal {
  return grpcRefusal(thrown, { statuses, broken: "the agent failed" });
}
