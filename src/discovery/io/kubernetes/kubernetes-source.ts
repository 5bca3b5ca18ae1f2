import type { Clock, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { SourceEvents, WorkloadSource } from "../../source.ts";
import { hasNews } from "../../source.ts";
import type { ClusterInventory } from "../../sources/kubernetes/cluster-inventory.ts";
import { createClusterInventory } from "../../sources/kubernetes/cluster-inventory.ts";
import type { FollowChange } from "../../sources/kubernetes/follower.ts";
import { injectionFindings } from "../../sources/kubernetes/injection-findings.ts";
import type { WatchedKind, WatchedList } from "../../sources/kubernetes/kinds.ts";
import { watchedLists } from "../../sources/kubernetes/kinds.ts";
import { listFindings } from "../../sources/kubernetes/list-findings.ts";
import type { OpenStream, WatchLimits } from "./watch-attempt.ts";
import type { WatchReader } from "./watch-reader.ts";
import { createWatchReader } from "./watch-reader.ts";

export interface KubernetesSourceOptions {
  /** Of the kubeconfig, or `in-cluster`; findings and logs name it. */
  readonly context: string;
  readonly open: OpenStream;
  /** Absent: all of the cluster's. */
  readonly namespaces?: readonly string[];
  /** Whether workloads outside the cluster may register; default: no. */
  readonly readsGroups?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<WatchLimits>;
}

/** What is known of a cluster besides its services. */
export type ClusterKnowledge = Pick<ClusterInventory, "pods" | "nodes" | "namespaces">;

/** A workload source that also tells who stands behind an address. */
export interface KubernetesSource extends WorkloadSource {
  readonly cluster: ClusterKnowledge;
  /** Called after changes of that kind were taken in; returns its own cancellation. */
  readonly onKind: (kind: WatchedKind, listener: () => void) => () => void;
}

/** What the source of that context is called. */
export function kubernetesSourceName(context: string): string {
  return `kubernetes:${context}`;
}

/** The services of a cluster, as its API server tells them. */
export function kubernetesSource(options: KubernetesSourceOptions): KubernetesSource {
  return new ApiSource(options);
}

// After an outage the lists come back one by one, and endpoints without their pods would look like ones
// without identity. Longer than the pause between two attempts of a list.
const gatherMs = 3500;
const findingsEveryMs = 200;
// Nobody reads more.
const maxFindings = 1000;

interface Followed {
  readonly list: WatchedList;
  readonly reader: WatchReader;
  /** Its last attempt failed and it is not live again. */
  isDown: boolean;
}

class ApiSource implements KubernetesSource {
  readonly name: string;
  readonly #inventory = createClusterInventory();
  readonly #followed: readonly Followed[];
  readonly #listeners = new Map<WatchedKind, Set<() => void>>();
  readonly #synced = Promise.withResolvers<void>();
  #events: SourceEvents | undefined;
  #isSynced = false;
  #isClosed = false;
  #gathering: NodeJS.Timeout | undefined;
  #telling: NodeJS.Timeout | undefined;
  #lastFindings = "[]";

  constructor(options: KubernetesSourceOptions) {
    const { context, namespaces, readsGroups = false, ...readerOptions } = options;
    this.name = kubernetesSourceName(context);
    this.#followed = watchedLists(namespaces, { readsGroups }).map((list) => {
      const reader = createWatchReader({
        ...readerOptions,
        paths: list.paths,
        onChange: (change) => this.#take(list.rules.kind, change),
        onStatus: () => this.#onStatus(followed),
      });
      const followed: Followed = { list, reader, isDown: false };
      return followed;
    });
    // Whoever closes a source that was never synced is told by start().
    this.#synced.promise.catch(() => undefined);
  }

  get cluster(): ClusterKnowledge {
    return this.#inventory;
  }

  onKind(kind: WatchedKind, listener: () => void): () => void {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  async start(events: SourceEvents, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#events = events;
    signal.addEventListener("abort", () => this.#close(signal.reason), { once: true });
    for (const { reader } of this.#followed) reader.start();
    await this.#synced.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(new Error(`${this.name} was closed`));
    await Promise.all(this.#followed.map(({ reader }) => reader.close()));
  }

  #close(reason: unknown): void {
    this.#isClosed = true;
    clearTimeout(this.#gathering);
    clearTimeout(this.#telling);
    for (const { reader } of this.#followed) void reader.close();
    this.#synced.reject(reason);
  }

  #take(kind: WatchedKind, change: FollowChange): void {
    this.#inventory.take(kind, change);
    for (const listener of this.#listeners.get(kind) ?? []) listener();
    if (this.#gathering === undefined) this.#flush();
  }

  #onStatus(followed: Followed): void {
    if (this.#isClosed) return;
    const { isLive, problem } = followed.reader.status();
    const isBack = followed.isDown && isLive;
    followed.isDown = !isLive && (followed.isDown || problem !== undefined);
    if (isBack) this.#gather();
    if (!this.#isSynced && this.#followed.every(isKnown)) this.#sync();
    this.#tellSoon();
  }

  /** The server answers again: what else was away is asked for at once, and told together. */
  #gather(): void {
    const down = this.#followed.filter(({ isDown }) => isDown);
    for (const { reader } of down) reader.hurry();
    if (down.every(isRefused)) return this.#endGathering();
    this.#gathering ??= setTimeout(() => this.#endGathering(), gatherMs);
  }

  #endGathering(): void {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    this.#flush();
  }

  #sync(): void {
    this.#isSynced = true;
    const reads = (kind: WatchedKind): boolean =>
      this.#followed.some(({ list }) => list.rules.kind === kind);
    const policies = reads("ImportPolicy") ? { policies: [] } : {};
    const groups = reads("WorkloadGroup") ? { groups: [] } : {};
    this.#events?.onChange({ ...policies, ...groups, ...this.#inventory.takeChange() });
    this.#synced.resolve();
  }

  #flush(): void {
    if (!this.#isSynced || this.#isClosed) return;
    const change = this.#inventory.takeChange();
    if (hasNews(change)) this.#events?.onChange(change);
    this.#tellSoon();
  }

  #tellSoon(): void {
    if (this.#isClosed) return;
    this.#telling ??= setTimeout(() => this.#tell(), findingsEveryMs);
  }

  #tell(): void {
    this.#telling = undefined;
    const states = this.#followed.map(({ list, reader }) => ({ list, ...reader.status() }));
    const findings: Finding[] = [
      ...listFindings(this.name, states),
      ...this.#inventory.findings(),
      ...injectionFindings(this.#inventory.pods.uninjected(this.#inventory.namespaces)),
    ].slice(0, maxFindings);
    const text = JSON.stringify(findings);
    if (text === this.#lastFindings) return;
    this.#lastFindings = text;
    this.#events?.onFindings(findings);
  }
}

/** The server is there and says no, which may last. */
function isRefused({ reader }: Followed): boolean {
  const { problem } = reader.status();
  return problem?.t === "refused" && [401, 403, 404].includes(problem.code);
}

/** All of it was read, or the server has no such kind. */
function isKnown({ list, reader }: Followed): boolean {
  const { isSynced, problem, failures } = reader.status();
  if (isSynced) return true;
  const isMissing = problem?.t === "refused" && problem.code === 404;
  return list.rules.isOptional && isMissing && failures >= list.paths.length;
}
