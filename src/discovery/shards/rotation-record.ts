import { integerIn, listIn, objectIn, textIn } from "./json-fields.ts";

/** What a member's own proxies have confirmed of the roots that its record's bundle digest stands for. */
export interface RotationRecord {
  /** Number of the charter in force there. */
  readonly charter: number;
  /** SHA-256 (hex) of the SubjectPublicKeyInfo of the root under which it issues; empty: of none that is trusted. */
  readonly issuerRoot: string;
  /** Proxies with a stream. */
  readonly connected: number;
  /** Those that answered that they use these roots. */
  readonly acknowledged: number;
  /** Workloads whose proven sidecar has no stream. */
  readonly silent: number;
  /** Proxies whose certificate stands under another root than the member issues with. */
  readonly old: number;
  /** A few of those that are not done. */
  readonly late: readonly string[];
}

const maxCount = 1_000_000;
/** Who is late is looked up at its own agent; these are to begin with. */
export const maxLate = 5;
const maxName = 253;

/** Throws RangeError. */
export function rotationFrom(value: unknown): RotationRecord {
  const fields = objectIn(value, "rotation");
  const count = (name: string): number => integerIn(fields, name, { min: 0, max: maxCount });
  return {
    charter: integerIn(fields, "charter", { min: 1, max: Number.MAX_SAFE_INTEGER }),
    issuerRoot: textIn(fields, "issuerRoot", { max: 64 }),
    connected: count("connected"),
    acknowledged: count("acknowledged"),
    silent: count("silent"),
    old: count("old"),
    late: listIn(fields, "late", {
      max: maxLate,
      read: (name) => textIn({ name }, "name", { max: maxName }),
    }),
  };
}
