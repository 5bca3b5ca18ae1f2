import type { TokenRefusal, TokenVerdict } from "../../mesh/token.ts";

export type Refused = Extract<TokenVerdict, { readonly t: "refused" }>;

/** `reason` never quotes a token. */
export function refused(code: TokenRefusal, reason: string): Refused {
  return { t: "refused", code, reason };
}
