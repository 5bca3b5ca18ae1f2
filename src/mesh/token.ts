import type { Secret } from "./secret.ts";

/** Whom a service-account token of Kubernetes proves: an account, and the pod that was given the token. */
export interface ProvenAccount {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly serviceAccountUid: string;
  readonly pod: BoundObject;
  /** Where the cluster says it. */
  readonly node?: BoundObject;
}

/** One object by its name, and by what tells it from a later one of that name. */
export interface BoundObject {
  readonly name: string;
  readonly uid: string;
}

/** Why a token proves nothing; `docs/errors.md` explains each. */
export type TokenRefusal =
  | "MESH_TOKEN_MALFORMED"
  | "MESH_TOKEN_UNTRUSTED"
  | "MESH_TOKEN_AUDIENCE"
  | "MESH_TOKEN_EXPIRED"
  | "MESH_TOKEN_EARLY"
  | "MESH_TOKEN_UNBOUND";

export type TokenVerdict =
  | { readonly t: "proven"; readonly account: ProvenAccount }
  | { readonly t: "refused"; readonly code: TokenRefusal; readonly reason: string }
  /** Nobody who could tell answers now. */
  | { readonly t: "unknown"; readonly reason: string };

/** Judges a token by the audience, the issuer and the time that count where it was made. Never rejects. */
export type VerifyToken = (token: Secret) => Promise<TokenVerdict>;
