import type { SourceChange, WorkloadSource } from "../../../discovery/source.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { WorkloadGroup } from "../../../mesh/workload-group.ts";

/** All that says what runs in this member, as one. Disposing closes each source. */
export interface OwnSources extends AsyncDisposable {
  readonly names: readonly string[];
  /** Resolves when all of them are synced. Throws as they do. */
  readonly start: (signal: AbortSignal) => Promise<void>;
  readonly isSynced: () => boolean;
  readonly findings: () => readonly Finding[];
}

export function createOwnSources(options: {
  readonly sources: readonly WorkloadSource[];
  readonly onChange: (source: string, change: SourceChange) => void;
  /** Whether workloads may register here. */
  readonly hasRegistration: boolean;
}): OwnSources {
  const { sources, onChange, hasRegistration } = options;
  const groups = new Map<string, readonly WorkloadGroup[]>();
  const findings = new Map<string, readonly Finding[]>();
  let synced = 0;

  const startOne = async (source: WorkloadSource, signal: AbortSignal): Promise<void> => {
    const events = {
      onChange: (change: SourceChange) => {
        if (change.groups !== undefined) groups.set(source.name, change.groups);
        onChange(source.name, change);
      },
      onFindings: (found: readonly Finding[]) => void findings.set(source.name, found),
    };
    await source.start(events, signal);
    synced += 1;
  };
  return {
    names: sources.map((source) => source.name),
    start: async (signal) => {
      await Promise.all(sources.map((source) => startOne(source, signal)));
    },
    isSynced: () => synced >= sources.length,
    findings: () => [
      ...[...findings.values()].flat(),
      ...(hasRegistration ? [] : [...groups.values()].flat().map(useless)),
    ],
    [Symbol.asyncDispose]: async () => {
      for (const source of sources) await source[Symbol.asyncDispose]();
    },
  };
}

function useless({ id }: WorkloadGroup): Finding {
  return {
    code: "REGISTRATION_OFF",
    severity: "warning",
    subject: id,
    message:
      "its workloads cannot register: this agent's sources have no `registration`; add it, or delete the group",
  };
}
