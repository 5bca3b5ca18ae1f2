import type { ServiceId } from "../mesh/ids.ts";
import type { Finding, LocalService } from "../mesh/service.ts";
import type { WorkloadGroup } from "../mesh/workload-group.ts";
import type { ImportPolicy } from "./policies/import-policy.ts";

/** What changed in a source since its last call. A failing source changes nothing and adds findings. */
export interface SourceChange {
  readonly upserts: readonly LocalService[];
  readonly removed: readonly ServiceId[];
  /** All import policies of the source; absent: they are what they were. */
  readonly policies?: readonly ImportPolicy[];
  /** All workload groups of the source; absent: they are what they were. */
  readonly groups?: readonly WorkloadGroup[];
}

export function hasNews({ upserts, removed, policies, groups }: SourceChange): boolean {
  return upserts.length + removed.length > 0 || policies !== undefined || groups !== undefined;
}

export interface SourceEvents {
  /** The first call carries everything the source has; it means "synced", even when empty. */
  readonly onChange: (change: SourceChange) => void;
  /** The source's present findings, whole; replaces the earlier ones. */
  readonly onFindings: (findings: readonly Finding[]) => void;
}

/** Where services of this member come from: files, Kubernetes, registration. */
export interface WorkloadSource extends AsyncDisposable {
  /** `files:./services`, for findings and logs. */
  readonly name: string;
  /** Starts watching; resolves when synced. Throws MESH_FILE_UNREADABLE and the like at first failure. */
  readonly start: (events: SourceEvents, signal: AbortSignal) => Promise<void>;
}
