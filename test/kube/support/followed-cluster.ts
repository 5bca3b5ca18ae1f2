import { setTimeout as delay } from "node:timers/promises";
import { realClock } from "../../../src/app/real-time.ts";
import type { KubernetesSource } from "../../../src/discovery/io/kubernetes/kubernetes-source.ts";
import { kubernetesSource } from "../../../src/discovery/io/kubernetes/kubernetes-source.ts";
import type {
  OpenStream,
  WatchLimits,
} from "../../../src/discovery/io/kubernetes/watch-attempt.ts";
import type { SourceChange } from "../../../src/discovery/source.ts";
import type { Finding, LocalService } from "../../../src/mesh/service.ts";

/** A cluster as a source tells it: what it says now, and all that it said. */
export interface FollowedCluster extends AsyncDisposable {
  readonly source: KubernetesSource;
  readonly services: ReadonlyMap<string, LocalService>;
  readonly changes: readonly SourceChange[];
  readonly findings: () => readonly Finding[];
  /** `address health` of each endpoint, sorted. */
  readonly endpoints: (id: string) => readonly string[];
}

/** Resolves when the source is synced. */
export async function followCluster(options: {
  readonly open: OpenStream;
  readonly namespaces?: readonly string[];
  readonly limits?: Partial<WatchLimits>;
}): Promise<FollowedCluster> {
  const started = startFollowing(options);
  await started.synced;
  return started;
}

/** The same before it is synced, for servers that do not let it. */
export function startFollowing(
  options: Parameters<typeof followCluster>[0],
): FollowedCluster & { readonly synced: Promise<void> } {
  const source = kubernetesSource({
    context: "test",
    clock: realClock,
    random: Math.random,
    ...options,
  });
  const services = new Map<string, LocalService>();
  const changes: SourceChange[] = [];
  let findings: readonly Finding[] = [];
  const onChange = (change: SourceChange): void => {
    changes.push(change);
    for (const service of change.upserts) services.set(service.id, service);
    for (const id of change.removed) services.delete(id);
  };
  const ending = new AbortController();
  const synced = source.start(
    { onChange, onFindings: (found) => void (findings = found) },
    ending.signal,
  );
  synced.catch(() => undefined);
  return {
    source,
    services,
    changes,
    synced,
    findings: () => findings,
    endpoints: (id) =>
      (services.get(id)?.endpoints ?? [])
        .map(({ address, health }) => `${address} ${health}`)
        .sort(),
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await source[Symbol.asyncDispose]();
    },
  };
}

const patienceMs = 60_000;

/** Waits until that is so; throws what was so last when it does not come. */
export async function untilSo<T>(
  what: string,
  look: () => T,
  isSo: (seen: T) => boolean,
): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const seen = look();
    if (isSo(seen)) return;
    if (performance.now() > deadlineMs) {
      throw new Error(`Never came: ${what}; it is ${JSON.stringify(seen)}`);
    }
    await delay(5);
  }
}
