import { MeshError } from "../../../mesh/errors.ts";

export function registrationLimit(truth: string): MeshError {
  return new MeshError("MESH_REGISTRATION_LIMIT", `Cannot register: ${truth}`);
}

export function registrationReplaced(): MeshError {
  return new MeshError(
    "MESH_REGISTRATION_REPLACED",
    "Cannot stay registered: another stream with the same instance secret has taken over",
  );
}

export function addressMoved(): MeshError {
  const truth = "its address is another workload's now";
  return new MeshError("MESH_REGISTRATION_ADDRESS", `Cannot stay registered: ${truth}`);
}

export function groupGone(id: string): MeshError {
  const truth = `WorkloadGroup ${id} is gone, or has another service account`;
  return new MeshError("MESH_REGISTRATION_GROUP", `Cannot register: ${truth}`);
}
