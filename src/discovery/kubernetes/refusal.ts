import { type ErrorCode, MeshError } from "../../mesh/errors.ts";

/** What an API server answered instead of what was asked for. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
  /** `AlreadyExists`; empty where the body is none of Kubernetes. */
  readonly reason: string;
}

const maxMessageLength = 1000;

/** Reads the body of an answer that is none of 2xx; whatever it is. */
export function readRefusal(status: number, body: string): Refusal {
  const parsed = statusObjectOf(body);
  const text = parsed === undefined ? body : parsed.message;
  const message = text.trim().replaceAll(/\s+/g, " ").slice(0, maxMessageLength);
  return {
    status,
    message: message === "" ? `HTTP status ${status}` : message,
    reason: parsed?.reason ?? "",
  };
}

/** There is no such object, though its type exists. */
export function isObjectAbsent(refusal: Refusal): boolean {
  return refusal.status === 404 && refusal.reason === "NotFound";
}

/** `what` completes "Cannot …", `replace lease "shop/leader"`. */
export function refusedError(refusal: Refusal, what: string): MeshError {
  const { status, message } = refusal;
  const isType = status === 404 && !isObjectAbsent(refusal);
  const reason = isType
    ? "the API server has no such type; is its CustomResourceDefinition installed?"
    : message;
  return new MeshError(codeFor(refusal), `Cannot ${what}: ${reason}`);
}

function codeFor({ status, reason }: Refusal): ErrorCode {
  if (reason === "Expired" || status === 410) return "MESH_KUBE_GONE";
  if (status === 401) return "MESH_KUBE_UNAUTHORIZED";
  // A webhook or quota that says no is no missing right, and the message says what it is.
  if (status === 403) return "MESH_KUBE_FORBIDDEN";
  if (status === 404) return "MESH_KUBE_ABSENT";
  if (status === 409) return "MESH_KUBE_CONFLICT";
  // 408, 429: later. All that the server fails at may go well later.
  if (status >= 500 || status === 408 || status === 429) return "MESH_KUBE_UNREACHABLE";
  return "MESH_KUBE_INVALID";
}

function statusObjectOf(
  body: string,
): { readonly message: string; readonly reason: string } | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const { kind, message, reason } = parsed as Readonly<Record<string, unknown>>;
    if (kind !== "Status") return undefined;
    return { message: textOf(message), reason: textOf(reason) };
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
