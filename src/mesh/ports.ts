import type { Source } from "./holder.ts";
import type { SpiffeId } from "./ids.ts";
import type { Secret } from "./secret.ts";

/** Time as an argument. `monotonicMs` never goes back and says nothing about the date. */
export interface Clock {
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
}

/** In [0, 1). */
export type Random = () => number;

/** A peer whose certificate chain holds. */
export interface Peer {
  readonly id: SpiffeId;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256 (hex) of the leaf certificate. */
  readonly leafSha256: string;
  /** SHA-256 (hex) of the issuing intermediate's SubjectPublicKeyInfo. */
  readonly issuerSpkiSha256: string;
  /** The leaf's time had run out; only ever true where the caller allowed it. */
  readonly isExpired: boolean;
}

/** What `VerifyPeer` and `VerifySignature` find. */
export type PeerVerdict =
  | { readonly t: "ok"; readonly peer: Peer }
  | { readonly t: "refused"; readonly reason: string };

/**
 * Judges a chain (DER, leaf first) by SPIFFE rules, the bundle and the charter: denied members and
 * unlisted issuers are refused.
 */
export type VerifyPeer = (
  chain: readonly Uint8Array[],
  options: { readonly nowMs: number; readonly allowExpired?: boolean },
) => PeerVerdict;

export interface Signature {
  /** ECDSA P-256 over SHA-256, DER. */
  readonly bytes: Uint8Array;
  /** Leaf first, DER. */
  readonly chain: readonly Uint8Array[];
}

/** Signs with this process's own identity. */
export type Sign = (bytes: Uint8Array) => Promise<Signature>;

/** Judges the chain as VerifyPeer does, then the signature with the leaf's key. */
export type VerifySignature = (
  signed: { readonly bytes: Uint8Array; readonly signature: Signature },
  options: { readonly nowMs: number; readonly allowExpired?: boolean },
) => PeerVerdict;

/** What code below `app/` needs of a logger; pino fits. Fields are named in `telemetry/names.ts`. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A process's own SVID, ready for TLS. Replaced whole at renewal. */
export interface Identity {
  readonly id: SpiffeId;
  /** Leaf first, then the intermediate. */
  readonly certChainPem: string;
  readonly privateKeyPem: Secret;
  /** Trusted roots. */
  readonly bundlePem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /**
   * In [0, 1): where in the time of renewals its issuer wants it renewed, because it knows who else renews then.
   * Absent: anywhere.
   */
  readonly renewPhase?: number;
}

/** Whoever holds an identity that renews itself. */
export type IdentitySource = Source<Identity>;
