import type { MeshError } from "../mesh/errors.ts";
import type { SpiffeId } from "../mesh/ids.ts";
import type { GroupDefinition } from "../mesh/workload-group.ts";
import type { HealthChange, Registration } from "../xds/registering/requests.ts";

/** Who wants to register, and what was proven of it. */
export interface Registrant {
  readonly peer: SpiffeId;
  /** SHA-256 (hex) of the leaf that it showed. */
  readonly certificate: string;
  /** Where its connection comes from; IP literal. */
  readonly remoteAddress: string;
  readonly registration: Registration;
}

/** How a registered workload is spoken to. */
export interface WorkloadLine {
  readonly tell: (definition: GroupDefinition) => void;
  readonly end: (reason: MeshError) => void;
}

/** A workload whose stream is here. */
export interface RegisteredWorkload {
  readonly say: (change: HealthChange) => void;
  /** Resolves with whoever may still open connections to it. */
  readonly leave: (limit: {
    readonly waitMs: number;
    readonly signal: AbortSignal;
  }) => Promise<readonly string[]>;
  /** Its stream has ended, however that came. */
  readonly ended: () => void;
}

/** Where workloads register. Both throw MESH_REGISTRATION_…. */
export interface RegistrationDesk {
  readonly open: (registrant: Registrant, line: WorkloadLine) => RegisteredWorkload;
  /** `group` is as it was written; empty: the only one of the peer's account. */
  readonly describe: (peer: SpiffeId, group: string) => GroupDefinition;
}
