import type { HubServer } from "../shards/store.ts";

/** One direction of a hub. Times are by the wall clock, for people. */
export interface HubCourse<State> {
  readonly state: State;
  /** Since when it is so. */
  readonly sinceMs: number;
  readonly lastError?: HubError;
}

export interface HubError {
  readonly reason: string;
  readonly atMs: number;
}

/** How this member's own shard stands in a hub. */
export type HubState = "synced" | "behind" | "unreachable";

/** A hub as this agent finds it. */
export interface HubStatus {
  readonly name: string;
  readonly isReadable: boolean;
  /** False after a write that failed, until one succeeds. */
  readonly isWritable: boolean;
  /**
   * `standby`: another replica writes there. `read-only` and `write-only`: one direction works, the
   * other does not.
   */
  readonly state: HubState | "standby" | "read-only" | "write-only";
  readonly sinceMs: number;
  readonly lastError?: HubError;
  /** It answers, but would not once its connections are lost; says why. */
  readonly refusal?: string;
  readonly server?: HubServer;
}

export function hubStatusOf(
  name: string,
  course: {
    readonly reading: HubCourse<boolean>;
    readonly writing: HubCourse<HubState>;
    readonly isStandby: boolean;
    readonly refusal: string | undefined;
    readonly server?: HubServer | undefined;
  },
): HubStatus {
  const { reading, writing, isStandby, refusal, server } = course;
  const errors = [reading.lastError, writing.lastError].filter((one) => one !== undefined);
  const lastError = errors.toSorted((left, right) => right.atMs - left.atMs)[0];
  return {
    name,
    isReadable: reading.state,
    isWritable: writing.state !== "unreachable",
    state: isStandby && reading.state ? "standby" : stateOf(reading.state, writing.state),
    sinceMs: Math.max(reading.sinceMs, writing.sinceMs),
    ...(lastError === undefined ? {} : { lastError }),
    ...(refusal === undefined ? {} : { refusal }),
    ...(server === undefined ? {} : { server }),
  };
}

function stateOf(isReadable: boolean, written: HubState): HubStatus["state"] {
  if (isReadable) return written === "unreachable" ? "read-only" : written;
  return written === "synced" ? "write-only" : "unreachable";
}
