import { fieldOf } from "../../../mesh/json-map.ts";

/** What one agent of a member has seen of its own proxies while the root is rotated. */
export interface ProxyTally {
  readonly connected: number;
  /** They use the roots that they were told last. */
  readonly acknowledged: number;
  /** Their certificate is not of the member's present issuer. */
  readonly old: number;
  /** They were there a moment ago, or would not be back yet after a start of their agent. */
  readonly unseen: number;
  /** Node ids of some that are not done. */
  readonly late: readonly string[];
}

/** As the agents of one member tell each other. */
export interface SharedTally extends ProxyTally {
  /** Number of the charter that it is about. */
  readonly charter: number;
}

const maxNames = 5;

/** Of a replica of this or another release. Throws TypeError. */
export function tallyFrom(value: unknown): SharedTally {
  const count = (name: string): number => {
    const number = fieldOf(value, name);
    if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) return number;
    throw new TypeError(`${name} is no count`);
  };
  const late = fieldOf(value, "late");
  return {
    charter: count("charter"),
    connected: count("connected"),
    acknowledged: count("acknowledged"),
    old: count("old"),
    unseen: count("unseen"),
    late: Array.isArray(late) ? late.slice(0, maxNames).map(String) : [],
  };
}
