import { MeshError, reasonOf } from "../../../../mesh/errors.ts";
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
import { type McsAction, planMcs } from "../../../mcs/plan.ts";
import { createWritePace } from "../../../mcs/write-pace.ts";
import type { LeaderPort } from "../../../publish/election.ts";
import type { OpenStream } from "../watch-attempt.ts";
import { createMcsWatches, type McsWatches } from "./mcs-watches.ts";
import { type McsVersion, writeAction } from "./mcs-writer.ts";

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
  readonly findings: () => readonly Finding[];
}

export function createMcsController(options: McsControllerOptions): McsController {
  return new Controller(options);
}

// Each waits for the API server most of the time; it serves hundreds of clients.
const maxInFlight = 8;
// One turn of the event loop looks at so many: probes and streams go on in between.
const looksPerTurn = 64;
// A server that restarts refuses for a moment.
const refusedFrom = 2;

class Controller implements McsController {
  readonly #options: McsControllerOptions;
  readonly #objects = createClusterObjects();
  readonly #pace = createWritePace();
  readonly #watches: McsWatches;
  readonly #log: Log;
  readonly #waiting = new Set<ServiceId>();
  readonly #busy = new Set<ServiceId>();
  readonly #timers = new Map<ServiceId, NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  readonly #blocked = new Map<ServiceId, string>();
  readonly #failed = new Map<ServiceId, { readonly code: string; readonly reason: string }>();
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
    this.#cancelLeadership = leadership.onChange(() => this.touchAll());
    telemetry.onScrape(() => {
      telemetry.set("mcsWaiting", {}, this.#waiting.size + this.#timers.size);
      telemetry.set("mcsImports", {}, this.#objects.importCount());
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

  findings(): readonly Finding[] {
    return mcsFindings({
      blocked: this.#blocked,
      failed: this.#failed,
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
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await this.#watches[Symbol.asyncDispose]();
    await Promise.all(this.#running);
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
      if (this.#busy.has(id)) continue;
      if (looks >= looksPerTurn || this.#busy.size >= maxInFlight) break;
      looks += 1;
      this.#waiting.delete(id);
      this.#look(id);
    }
    const isStuck = this.#busy.size >= maxInFlight;
    const isMore = [...this.#waiting].some((id) => !this.#busy.has(id));
    if (isMore && !isStuck) this.#schedule();
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
    if (plan.actions.length === 0) {
      this.#failed.delete(id);
      this.#pace.succeeded(id);
      return;
    }
    const waitMs = this.#pace.waitMs(id, clock.monotonicMs());
    if (waitMs > 0) return this.#later(id, waitMs);
    this.#busy.add(id);
    const run = this.#write(id, plan.actions).finally(() => {
      this.#busy.delete(id);
      this.#running.delete(run);
      this.#schedule();
    });
    this.#running.add(run);
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
    this.#failed.delete(id);
  }

  #later(id: ServiceId, waitMs: number): void {
    if (this.#isClosed || this.#timers.has(id)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(id);
      this.touch([id]);
    }, waitMs);
    this.#timers.set(id, timer);
  }

  async #write(id: ServiceId, actions: readonly McsAction[]): Promise<void> {
    const { api, clock, random, telemetry, leadership } = this.#options;
    const to = { api, version: this.#version() };
    let isChanged = false;
    for (const action of actions) {
      if (this.#isClosed || !leadership.isLeader()) return;
      this.#pace.wrote(id, clock.monotonicMs());
      try {
        const written = await writeAction(action, to);
        telemetry.count("mcsWrites", { call: action.t, outcome: "ok" });
        if (written === undefined) continue;
        this.#objects.written(written);
        isChanged = true;
      } catch (thrown) {
        this.#note(id, action, thrown);
        this.#pace.failed(id, { nowMs: clock.monotonicMs(), random });
        this.#later(id, this.#pace.waitMs(id, clock.monotonicMs()));
        return;
      }
    }
    // What was written may ask for the next step: an address, an owner.
    if (isChanged) this.touch([id]);
  }

  #note(id: ServiceId, action: McsAction, thrown: unknown): void {
    const code = thrown instanceof MeshError ? thrown.code : "MESH_INTERNAL";
    const reason = reasonOf(thrown);
    const outcome = outcomes[code] ?? "unavailable";
    this.#options.telemetry.count("mcsWrites", { call: action.t, outcome });
    // Somebody was faster; the watch tells what he did.
    if (outcome === "conflict") return this.#log.debug({ service: id, reason }, "MCS write lost");
    if (outcome === "refused") this.#failed.set(id, { code, reason });
    this.#log.warn({ service: id, code, reason }, "Cannot write objects of an import");
  }

  #version(): McsVersion {
    const { path } = this.#watches.status("ServiceImport");
    return path.includes("/v1alpha1/") ? "v1alpha1" : "v1beta1";
  }
}

const outcomes: Readonly<Record<string, string>> = {
  MESH_KUBE_CONFLICT: "conflict",
  MESH_KUBE_INVALID: "refused",
  MESH_KUBE_FORBIDDEN: "refused",
  MESH_KUBE_UNAUTHORIZED: "refused",
  MESH_KUBE_ABSENT: "conflict",
};
