import { EventEmitter, once } from "node:events";
import type { SourceChange, WorkloadSource } from "../../../../src/discovery/source.ts";
import type { ServiceId } from "../../../../src/mesh/ids.ts";
import type { Finding, Health, LocalService } from "../../../../src/mesh/service.ts";

/** A started source and what it has said so far. */
export interface WatchedSource extends AsyncDisposable {
  readonly changes: readonly SourceChange[];
  readonly services: ReadonlyMap<string, LocalService>;
  readonly findings: readonly Finding[];
  /** Of the service's first endpoint. */
  readonly health: (service: string) => Health | undefined;
  readonly removed: () => ServiceId[];
  /** Resolves once the condition holds, which is looked at whenever the source says something. */
  readonly until: (holds: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

export async function watchSource(source: WorkloadSource): Promise<WatchedSource> {
  const events = new EventEmitter();
  const changes: SourceChange[] = [];
  const services = new Map<string, LocalService>();
  let findings: readonly Finding[] = [];
  const stop = new AbortController();
  const close = async (): Promise<void> => {
    stop.abort();
    await source[Symbol.asyncDispose]();
  };
  await source.start(
    {
      onChange(change) {
        changes.push(change);
        for (const service of change.upserts) services.set(service.id, service);
        for (const id of change.removed) services.delete(id);
        events.emit("said");
      },
      onFindings(present) {
        findings = present;
        events.emit("said");
      },
    },
    stop.signal,
  );
  return {
    changes,
    services,
    get findings() {
      return findings;
    },
    health: (service) => services.get(service)?.endpoints[0]?.health,
    removed: () => changes.flatMap(({ removed }) => removed),
    async until(holds) {
      while (!holds()) await once(events, "said");
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
