/**
 * Every failure this project names. The code is for programs, the message for people, the cause for
 * the log. `docs/errors.md` explains each code: what it means, whether to retry, what to do.
 */
export const errorCodes = [
  "MESH_ID_INVALID",
  "MESH_ADDRESS_INVALID",
  "MESH_CONFIG_INVALID",
  "MESH_FILE_UNREADABLE",
  "MESH_FILE_UNWRITABLE",
  "MESH_FOLDER_IN_USE",
  "MESH_LISTEN_FAILED",
  "MESH_UNREACHABLE",
  "MESH_NOT_FOUND",
  "MESH_USAGE",
  "MESH_TRUST_DER_INVALID",
  "MESH_TRUST_CSR_REFUSED",
  "MESH_TRUST_CHAIN_REFUSED",
  "MESH_TRUST_ISSUE_REFUSED",
  "MESH_TRUST_KEY_FILE_UNSAFE",
  "MESH_TRUST_CHARTER_REFUSED",
  "MESH_TRUST_IDENTITY_REFUSED",
  "MESH_TRUST_CHARTER_CONFLICT",
  "MESH_TRUST_ROTATION_REFUSED",
  "MESH_TRUST_SIGNER_MISSING",
  "MESH_TRUST_SIGNER_FAILED",
  "MESH_TOKEN_MALFORMED",
  "MESH_TOKEN_UNTRUSTED",
  "MESH_TOKEN_AUDIENCE",
  "MESH_TOKEN_EXPIRED",
  "MESH_TOKEN_EARLY",
  "MESH_TOKEN_UNBOUND",
  "MESH_TOKEN_UNPROVEN",
  "MESH_TOKEN_KEYS_INVALID",
  "MESH_JOIN_TOKEN_MALFORMED",
  "MESH_JOIN_TOKEN_UNKNOWN",
  "MESH_JOIN_TOKEN_ELSEWHERE",
  "MESH_JOIN_TOKEN_EARLY",
  "MESH_JOIN_TOKEN_EXPIRED",
  "MESH_JOIN_TOKEN_REVOKED",
  "MESH_JOIN_TOKEN_USED",
  "MESH_JOIN_TOKEN_ADDRESS",
  "MESH_JOIN_TOKEN_SUBJECT",
  "MESH_JOIN_TOKEN_UNPROVEN",
  "MESH_JOIN_ROOT_MISMATCH",
  "MESH_CATALOG_UNAVAILABLE",
  "MESH_CATALOG_FENCED",
  "MESH_CATALOG_NAME_TAKEN",
  "MESH_CATALOG_RECORD_REFUSED",
  "MESH_CATALOG_HEAD_REFUSED",
  "MESH_KUBE_UNREACHABLE",
  "MESH_KUBE_UNAUTHORIZED",
  "MESH_KUBE_FORBIDDEN",
  "MESH_KUBE_ABSENT",
  "MESH_KUBE_CONFLICT",
  "MESH_KUBE_GONE",
  "MESH_KUBE_INVALID",
  "MESH_SOURCE_OBJECT_INVALID",
  "MESH_REGISTRATION_OFF",
  "MESH_REGISTRATION_REFUSED",
  "MESH_REGISTRATION_GROUP",
  "MESH_REGISTRATION_ADDRESS",
  "MESH_REGISTRATION_REPLACED",
  "MESH_REGISTRATION_LIMIT",
  "MESH_XDS_REQUEST_REFUSED",
  "MESH_XDS_RESOURCE_INVALID",
  "MESH_XDS_UNSUPPORTED",
  "MESH_XDS_LIMIT",
  "MESH_GATEWAY_HELLO_REFUSED",
  "MESH_ENGINE_MISSING",
  "MESH_ENGINE_UNSUPPORTED",
  "MESH_ENGINE_FOLDER",
  "MESH_CAPTURE_FAILED",
  "MESH_INTERNAL",
] as const;

/** Stable; docs/errors.md says what each means and what to do. */
export type ErrorCode = (typeof errorCodes)[number];

/** An error with a stable code. Message form: `Cannot <do> <what> "<value>": <what is true>`. */
export class MeshError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "MeshError";
    this.code = code;
  }
}

/** The sentence of whatever was thrown, for a message or a log field. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** What the system calls a failure, `ENOENT` for one; undefined when it has no name. */
export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
}
