import type { MemberName, Namespace, SpiffeId } from "./ids.ts";

/** Something a member's records say that only the charter may allow. */
export type Claim =
  | { readonly t: "export"; readonly namespace: Namespace }
  /** Of a workload; it must lie in the member's own trust domain. */
  | { readonly t: "identity"; readonly id: SpiffeId }
  /** IP literal of a gateway or an endpoint. DNS names are judged by what they resolve to. */
  | { readonly t: "address"; readonly address: string };

/** What is dropped is ignored and reported; the rest of its record counts. */
export type ClaimVerdict =
  | { readonly t: "ok" }
  | { readonly t: "dropped"; readonly reason: string };

/** Judges by the newest charter; trust owns the rules, `app/` passes them in. */
export type CheckClaim = (member: MemberName, claim: Claim) => ClaimVerdict;
