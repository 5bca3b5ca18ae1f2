import { MeshError, reasonOf } from "../../../../mesh/errors.ts";
import type { ServiceId } from "../../../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../../../mesh/ports.ts";
import type { Telemetry } from "../../../../telemetry/registry.ts";
import type { KubeApi } from "../../../kubernetes/kube-api.ts";
import type { KubeBody } from "../../../mcs/kube-body.ts";
import type { McsAction } from "../../../mcs/plan.ts";
import { createWritePace } from "../../../mcs/write-pace.ts";
import { type McsVersion, writeAction } from "./mcs-writer.ts";

export interface McsWritesOptions {
  readonly api: KubeApi;
  readonly version: () => McsVersion;
  /** Asked before each write: who is no leader any more stops amid a plan. */
  readonly isLeader: () => boolean;
  /** What the API server made of an object, before the watch tells of it. */
  readonly onWritten: (body: KubeBody) => void;
  /** The service is to be planned again: its objects changed, or its time has come. */
  readonly onDue: (id: ServiceId) => void;
  /** A place is free. */
  readonly onIdle: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly telemetry: Pick<Telemetry, "count">;
}

// Each waits for the API server most of the time; it serves hundreds of clients.
const maxInFlight = 8;

/** Carries out what is planned for each service: a few services at a time, each at its own pace. */
export class McsWrites implements AsyncDisposable {
  readonly #options: McsWritesOptions;
  readonly #pace = createWritePace();
  readonly #running = new Map<ServiceId, Promise<void>>();
  readonly #timers = new Map<ServiceId, NodeJS.Timeout>();
  readonly #refused = new Map<ServiceId, { readonly reason: string }>();
  #isClosed = false;

  constructor(options: McsWritesOptions) {
    this.#options = options;
  }

  /** What the API server did not take, and why; by service. */
  get refused(): ReadonlyMap<ServiceId, { readonly reason: string }> {
    return this.#refused;
  }

  /** Services that wait for their time. */
  get waiting(): number {
    return this.#timers.size;
  }

  isBusy(id: ServiceId): boolean {
    return this.#running.has(id);
  }

  isFull(): boolean {
    return this.#running.size >= maxInFlight;
  }

  /** Begins to write, or notes when it may; no actions: all is as it should be. Not of a busy service. */
  carryOut(id: ServiceId, actions: readonly McsAction[]): void {
    if (actions.length === 0) {
      this.#refused.delete(id);
      return this.#pace.succeeded(id);
    }
    if (this.#wait(id)) return;
    const run = this.#write(id, actions).finally(() => {
      this.#running.delete(id);
      this.#options.onIdle();
    });
    this.#running.set(id, run);
  }

  /** Somebody else writes it now. */
  forget(id: ServiceId): void {
    this.#refused.delete(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all(this.#running.values());
  }

  /** Whether its time has not come; it is due when it has. */
  #wait(id: ServiceId): boolean {
    const waitMs = this.#pace.waitMs(id, this.#options.clock.monotonicMs());
    if (waitMs === 0) return false;
    if (this.#isClosed || this.#timers.has(id)) return true;
    const timer = setTimeout(() => {
      this.#timers.delete(id);
      this.#options.onDue(id);
    }, waitMs);
    this.#timers.set(id, timer);
    return true;
  }

  async #write(id: ServiceId, actions: readonly McsAction[]): Promise<void> {
    const { api, version, clock, random, telemetry, isLeader, onWritten, onDue } = this.#options;
    const to = { api, version: version() };
    let isChanged = false;
    for (const action of actions) {
      if (this.#isClosed || !isLeader()) return;
      this.#pace.wrote(id, clock.monotonicMs());
      try {
        const written = await writeAction(action, to);
        telemetry.count("mcsWrites", { call: action.t, outcome: "ok" });
        if (written === undefined) continue;
        onWritten(written);
        isChanged = true;
      } catch (thrown) {
        this.#note(id, action, thrown);
        this.#pace.failed(id, { nowMs: clock.monotonicMs(), random });
        this.#wait(id);
        return;
      }
    }
    // What was written may ask for the next step: an address, an owner.
    if (isChanged) onDue(id);
  }

  #note(id: ServiceId, action: McsAction, thrown: unknown): void {
    const { log, telemetry } = this.#options;
    const code = thrown instanceof MeshError ? thrown.code : "MESH_INTERNAL";
    const reason = reasonOf(thrown);
    const outcome = outcomes[code] ?? "unavailable";
    telemetry.count("mcsWrites", { call: action.t, outcome });
    // Somebody was faster; the watch tells what he did.
    if (outcome === "conflict") return log.debug({ service: id, reason }, "MCS write lost");
    if (outcome === "refused") this.#refused.set(id, { reason });
    log.warn({ service: id, code, reason }, "Cannot write objects of an import");
  }
}

const outcomes: Readonly<Record<string, string>> = {
  MESH_KUBE_CONFLICT: "conflict",
  MESH_KUBE_INVALID: "refused",
  MESH_KUBE_FORBIDDEN: "refused",
  MESH_KUBE_UNAUTHORIZED: "refused",
  MESH_KUBE_ABSENT: "conflict",
};
