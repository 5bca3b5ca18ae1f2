import type { TrustDomain } from "../../../mesh/ids.ts";
import type { Bundle } from "../../../trust/bundle.ts";

/** What is known of a foreign trust domain. */
export interface Relation {
  readonly trustDomain: TrustDomain;
  /** Digest of the roots in the charter. */
  readonly since: string;
  /** Undefined: its owner has revoked all. */
  bundle: Bundle | undefined;
  sequence: number;
  hintMs: number;
  /** Monotonic; undefined: never by this process. */
  fetchedAtMs: number | undefined;
  beganAtMs: number;
  dueMs: number;
  skipped: number;
  failure: string | undefined;
}
