import type { ClaimVerdict } from "../../../mesh/claim.ts";
import type { ServiceId, TrustDomain } from "../../../mesh/ids.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { Endpoint, LocalService } from "../../../mesh/service.ts";
import type { TakenOverOptions } from "./taken-over.ts";

export interface RegistrationOptions {
  readonly snapshotDir: string;
  /** Hears of each write there and how it ended. */
  readonly watchWrite: (file: string, write: Promise<void>) => Promise<void>;
  /** Whether other agents of this member may have streams of workloads, too. */
  readonly hasReplicas: boolean;
  readonly trustDomain: () => TrustDomain;
  /** Whether the charter lets this member use the address. */
  readonly checkAddress: (address: string) => ClaimVerdict;
  /** Whether a cluster knows the address as one of its pods'. */
  readonly isPods: (address: string) => boolean;
  /** The endpoints of these services may be others. */
  readonly onServices: (ids: Iterable<ServiceId>) => void;
  readonly service: (id: ServiceId) => LocalService | undefined;
  /** Registered endpoints with no sidecar that was proven to stand before them. */
  readonly unproven: () => ReadonlyMap<ServiceId, readonly Endpoint[]>;
  /** How far this agent's proxies are. */
  readonly proxies: TakenOverOptions;
  readonly clock: Clock;
  readonly log: Log;
}
