import type { MemberName, ServiceId } from "../../../../mesh/ids.ts";
import { namespaceOf } from "../../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../../mesh/ports.ts";
import type { Finding } from "../../../../mesh/service.ts";
import { pacedLog } from "../../../../telemetry/paced-log.ts";
import type { Telemetry } from "../../../../telemetry/registry.ts";
import type { KubeApi } from "../../../kubernetes/kube-api.ts";
import { createClusterObjects, type Touched } from "../../../mcs/cluster-objects.ts";
import type { Constituent } from "../../../mcs/constituents.ts";
import { importIpsOf, provenImportIpsOf } from "../../../mcs/kube-body.ts";
import { mcsFindings } from "../../../mcs/mcs-findings.ts";
import { planMcs } from "../../../mcs/plan.ts";
import type { LeaderPort } from "../../../publish/election.ts";
import type { OpenStream } from "../watch-attempt.ts";
import { createMcsWatches, type McsWatches } from "./mcs-watches.ts";
import type { McsVersion } from "./mcs-writer.ts";
import { McsWrites } from "./mcs-writes.ts";

/** What members export, as this agent knows it. */
export interface ExportBook {
  readonly of: (id: ServiceId) => readonly Constituent[];
  /** Whatever anybody exports; more does no harm. */
  readonly ids: () => Iterable<ServiceId>;
  /** Why this member's export is not with the others; undefined: it is. */
  readonly pending: (id: ServiceId) => string | undefined;
  /** Everything is known that may still come. */
  readonly isSettled: () => boolean;
}

/** One service as this cluster has it. */
export interface ImportState {
  readonly constituents: readonly Constituent[];
  /** Of its ServiceImport; none without one. */
  readonly ips: readonly string[];
  /** Those of them that are nobody else's: proxies take over what is dialled there. */
  readonly provenIps: readonly string[];
  /** Whether there is one: without it the service has no name here. */
  readonly isImported: boolean;
}

export interface McsControllerOptions {
  readonly self: MemberName;
  readonly api: KubeApi;
  readonly open: OpenStream;
  readonly exports: ExportBook;
  /** One of a member's agents writes, the others only look. */
  readonly leadership: LeaderPort;
  readonly withSlices: boolean;
  /** Called on every agent of the member whenever the state of a service may be another. */
  readonly onState: (id: ServiceId, state: ImportState) => void;
  /** Called once, when all objects are known and told by `onState`. */
  readonly onSynced: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: Pick<Telemetry, "count" | "set" | "onScrape">;
}

/** Keeps ServiceImports and what belongs to them in step with what members export. */
export interface McsController extends AsyncDisposable {
  readonly start: () => void;
  /** What members export of these may be another. */
  readonly touch: (ids: Iterable<ServiceId>) => void;
  /** The same of all. */
  readonly touchAll: () => void;
  /** All objects are known, and told with what members export as of now. */
  readonly isCaughtUp: () => boolean;
  /** The API server says no to a list that it needs. */
  readonly isRefused: () => boolean;
  readonly counts: () => McsCounts;
  readonly findings: () => readonly Finding[];
}

export interface McsCounts {
  /** ServiceImports that the cluster has of ours. */
  readonly imports: number;
  /** Services to be looked at, or written. */
  readonly waiting: number;
}

export function createMcsController(options: McsControllerOptions): McsController {
  return new Controller(options);
}

// One turn of the event loop looks at so many: probes and streams go on in between.
const looksPerTurn = 64;
// A server that restarts refuses for a moment.
const refusedFrom = 2;

class Controller implements McsController {
  readonly #options: McsControllerOptions;
  readonly #objects = createClusterObjects();
  readonly #watches: McsWatches;
  readonly #writes: McsWrites;
  readonly #log: Log;
  readonly #waiting = new Set<ServiceId>();
  readonly #blocked = new Map<ServiceId, string>();
  readonly #cancelLeadership: () => void;
  #turn: NodeJS.Immediate | undefined;
  #isSynced = false;
  #isTold = false;
  #isClosed = false;

  constructor(options: McsControllerOptions) {
    this.#options = options;
    const { open, clock, random, leadership, telemetry } = options;
    this.#log = pacedLog(options.log, { burst: 10, perSecond: 0.2 }, clock.monotonicMs);
    this.#watches = createMcsWatches({
      open,
      clock,
      random,
      onChange: (kind, change) => this.#take(this.#objects.take(kind, change)),
      onStatus: () => this.#judgeSynced(),
    });
    this.#writes = new McsWrites({
      ...options,
      version: () => this.#version(),
      isLeader: () => leadership.isLeader(),
      onWritten: (body) => this.#objects.written(body),
      onDue: (id) => this.touch([id]),
      onIdle: () => this.#schedule(),
      log: this.#log,
    });
    this.#cancelLeadership = leadership.onChange(() => this.touchAll());
    telemetry.onScrape(() => {
      const { imports, waiting } = this.counts();
      telemetry.set("mcsWaiting", {}, waiting);
      telemetry.set("mcsImports", {}, imports);
    });
  }

  start(): void {
    this.#watches.start();
  }

  touch(ids: Iterable<ServiceId>): void {
    for (const id of ids) this.#waiting.add(id);
    this.#schedule();
  }

  touchAll(): void {
    this.touch(this.#objects.ids());
    this.touch(this.#options.exports.ids());
  }

  isCaughtUp(): boolean {
    return this.#isTold && this.#waiting.size === 0;
  }

  isRefused(): boolean {
    return this.#watches.isRefused();
  }

  counts(): McsCounts {
    const waiting = this.#waiting.size + this.#writes.waiting;
    return { imports: this.#objects.importCount(), waiting };
  }

  findings(): readonly Finding[] {
    return mcsFindings({
      blocked: this.#blocked,
      failed: this.#writes.refused,
      ...this.#unread(),
    });
  }

  /** An API server that is merely away is somebody else's finding, once imports are known. */
  #unread(): Pick<Parameters<typeof mcsFindings>[0], "missing" | "isKnown"> {
    const { problem, failures } = this.#watches.status("ServiceImport");
    const isRefused = problem?.t === "refused" && problem.code !== 410 && failures >= refusedFrom;
    const isKnown = this.#isSynced;
    return { isKnown, missing: !isKnown || isRefused ? problem : undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#cancelLeadership();
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    await this.#writes[Symbol.asyncDispose]();
    await this.#watches[Symbol.asyncDispose]();
  }

  #take({ services, namespaces }: Touched): void {
    this.touch(services);
    if (namespaces.size > 0) {
      const isInside = (id: ServiceId): boolean => namespaces.has(namespaceOf(id));
      const all = [...this.#objects.ids(), ...this.#options.exports.ids()];
      this.touch(all.filter(isInside));
    }
    this.#judgeSynced();
  }

  #judgeSynced(): void {
    if (this.#isSynced || !this.#watches.isSynced()) return;
    this.#isSynced = true;
    this.touchAll();
  }

  #schedule(): void {
    if (!this.#isSynced || this.#isClosed || this.#waiting.size === 0) return;
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#work();
    });
  }

  #work(): void {
    let looks = 0;
    for (const id of this.#waiting) {
      if (this.#writes.isFull()) break;
      if (this.#writes.isBusy(id)) continue;
      if (looks >= looksPerTurn) return this.#schedule();
      looks += 1;
      this.#waiting.delete(id);
      this.#look(id);
    }
    if (this.#waiting.size === 0) this.#tellSynced();
  }

  #tellSynced(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#options.onSynced();
  }

  #look(id: ServiceId): void {
    const { self, exports, leadership, withSlices, clock } = this.#options;
    const found = this.#objects.of(id);
    const constituents = exports.of(id);
    const { imported, hasNamespace } = found;
    const isImported = hasNamespace && imported !== undefined && constituents.length > 0;
    const ips = isImported ? importIpsOf(imported) : [];
    const provenIps = isImported ? provenImportIpsOf(found) : [];
    this.#tell(id, { constituents, ips, provenIps, isImported });
    if (!leadership.isLeader()) return this.#forget(id);
    const now = new Date(clock.nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
    const plan = planMcs(id, {
      ...found,
      self,
      constituents,
      withSlices,
      isSettled: exports.isSettled(),
      pending: exports.pending(id),
      now,
    });
    if (plan.blocked === undefined) this.#blocked.delete(id);
    else this.#blocked.set(id, plan.blocked);
    this.#writes.carryOut(id, plan.actions);
  }

  /** A defect that one service brings to light must not end the others. */
  #tell(id: ServiceId, state: ImportState): void {
    try {
      this.#options.onState(id, state);
    } catch (thrown) {
      this.#log.error({ err: thrown, service: id }, "Import could not be told");
    }
  }

  /** What only the leader knows. */
  #forget(id: ServiceId): void {
    this.#blocked.delete(id);
    this.#writes.forget(id);
  }

  #version(): McsVersion {
    const { path } = this.#watches.status("ServiceImport");
    return path.includes("/v1alpha1/") ? "v1alpha1" : "v1beta1";
  }
}
