import { decodeJwt } from "jose";
import { readTokenHeader } from "./token-header.ts";

/**
 * Who a token says made it, to know whose keys to judge it by; believe it after that. Undefined where it says
 * nothing that could be believed.
 */
export function statedIssuer(token: string): string | undefined {
  // What is no token of Kubernetes is not decoded at all.
  if (readTokenHeader(token).t === "refused") return undefined;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === "string" ? iss : undefined;
  } catch {
    return undefined;
  }
}
