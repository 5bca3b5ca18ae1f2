import { asMap, type JsonMap } from "../../mesh/json-map.ts";
import type { TokenVerdict } from "./kube-api.ts";

/** Reads the status of a TokenReview; whoever it does not clearly vouch for is refused. */
export function readTokenReview(review: unknown): TokenVerdict {
  const status = mapOf(mapOf(review)["status"]);
  // A token that is not good has no `authenticated: false`: the field is absent.
  if (status["authenticated"] !== true) {
    const { error } = status;
    return { t: "refused", reason: textOf(error) ?? "the API server does not know this token" };
  }
  const user = mapOf(status["user"]);
  const username = textOf(user["username"]);
  if (username === undefined) return { t: "refused", reason: "the API server names no user" };
  const uid = textOf(user["uid"]);
  const extra = Object.entries(mapOf(user["extra"])).map(([key, value]) => [key, textsOf(value)]);
  return {
    t: "authenticated",
    username,
    ...(uid === undefined ? {} : { uid }),
    groups: textsOf(user["groups"]),
    audiences: textsOf(status["audiences"]),
    extra: Object.fromEntries(extra) as Readonly<Record<string, readonly string[]>>,
  };
}

/** Whether a SubjectAccessReview says yes. */
export function readAccessReview(review: unknown): boolean {
  return mapOf(mapOf(review)["status"])["allowed"] === true;
}

function mapOf(value: unknown): JsonMap {
  return asMap(value) ?? {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
