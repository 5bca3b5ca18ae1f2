import type { SourceChange, WorkloadSource } from "../../discovery/source.ts";
import type { Finding } from "../../mesh/service.ts";

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
}): OwnSources {
  const { sources, onChange } = options;
  const findings = new Map<string, readonly Finding[]>();
  let synced = 0;

  const startOne = async (source: WorkloadSource, signal: AbortSignal): Promise<void> => {
    const events = {
      onChange: (change: SourceChange) => onChange(source.name, change),
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
    findings: () => [...findings.values()].flat(),
    [Symbol.asyncDispose]: async () => {
      for (const source of sources) await source[Symbol.asyncDispose]();
    },
  };
}
