import { parseNamespace } from "../../../mesh/ids.ts";
import { duration, object, optional, type Parser, text } from "../config-parser.ts";

/** The Lease for which the agents of a member contend. */
export interface LeaseConfig {
  readonly namespace: string;
  readonly name: string;
  /** How long a leader that is gone is waited for. */
  readonly durationMs: number;
}

// As deploy/ and `isthmus install` have it, with the rights to it.
const defaultNamespace = "isthmus-system";
const defaultName = "isthmus-agent";
// A new leader writes within 10 s; an API server that restarts in 4 s changes none.
const defaultDurationMs = 6000;

/** `kubernetes.lease` of agent.yaml. */
export const lease: Parser<LeaseConfig> = object<LeaseConfig>({
  namespace: optional<string>(text(parseNamespace), defaultNamespace),
  name: optional(text(), defaultName),
  durationMs: optional(duration({ min: 3000, max: 60_000 }), defaultDurationMs),
});
