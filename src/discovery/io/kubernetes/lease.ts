import { type ErrorCode, MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { Clock, Log, Random } from "../../../mesh/ports.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { KubeApi, ObjectRef } from "../../kubernetes/kube-api.ts";
import {
  createLeaseJudge,
  type LeaseJudge,
  type LeaseStep,
  leaseTimes,
} from "../../kubernetes/lease-judge.ts";
import {
  contenderName,
  leaseObject,
  leaseType,
  readLease,
  type SeenLease,
} from "../../kubernetes/lease-object.ts";
import type { Contender, Election, Leadership } from "../../publish/election.ts";
import type { Timers } from "../../timers.ts";

export interface LeaseOptions {
  /** Its calls must end within a third of `durationMs`: a hung one must not outlast what it renews. */
  readonly api: KubeApi;
  /** Of the Lease; made when there is none. */
  readonly ref: ObjectRef;
  readonly self: Contender;
  readonly durationMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
}

/**
 * Who leads, by a Lease of the cluster: takes it when it is free, renews it, steps down well before others may take it.
 * Source: docs/decisions/leader-by-lease.md
 */
export interface LeaseElection extends Election, AsyncDisposable {
  readonly findings: () => readonly Finding[];
}

// Shorter than this it is no news: an API server that restarts is back by then.
const tolerableMs = 30_000;

/** Begins at once; disposing gives the Lease back. */
export function startLeaseElection(options: LeaseOptions): LeaseElection {
  return new LeaseLoop(options);
}

interface Waiter {
  readonly epoch: number;
  readonly done: (isRecorded: boolean) => void;
}

class LeaseLoop implements LeaseElection {
  readonly #options: LeaseOptions;
  readonly #judge: LeaseJudge;
  readonly #self: string;
  readonly #listeners = new Set<() => void>();
  readonly #running: Promise<void>;
  #waiters: Waiter[] = [];
  #epoch = 0;
  #told: Leadership = { t: "unknown" };
  #problem: { readonly reason: string; readonly sinceMs: number } | undefined;
  #isClosed = false;
  #wake = (): void => {};
  #cancelStepDown = (): void => {};

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#self = contenderName(options.self);
    const times = leaseTimes(options.durationMs);
    this.#judge = createLeaseJudge({ self: this.#self, times, random: options.random });
    this.#running = this.#run();
  }

  leadership(): Leadership {
    return this.#judge.leadership(this.#options.clock.monotonicMs());
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  id(): string | undefined {
    return this.#judge.lease()?.uid;
  }

  epoch(): number {
    return Math.max(this.#epoch, this.#judge.lease()?.epoch ?? 0);
  }

  recordEpoch(epoch: number): Promise<boolean> {
    if (this.#isClosed || this.leadership().t !== "leader") return Promise.resolve(false);
    this.#epoch = Math.max(this.#epoch, epoch);
    return new Promise((done) => {
      this.#waiters.push({ epoch, done });
      this.#judge.hurry();
      this.#wake();
    });
  }

  findings(): readonly Finding[] {
    const { clock, ref } = this.#options;
    if (this.#problem === undefined) return [];
    if (clock.monotonicMs() - this.#problem.sinceMs < tolerableMs) return [];
    return [
      {
        code: "KUBERNETES_LEASE_UNREACHABLE",
        severity: "warning",
        subject: `${ref.namespace}/${ref.name}`,
        message: `who leads cannot be found out, so nobody takes over from a leader that ends: ${this.#problem.reason}`,
      },
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return this.#running;
    this.#isClosed = true;
    this.#wake();
    await this.#running;
    this.#settleWaiters(false);
    this.#cancelStepDown();
    await this.#release();
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#isClosed) {
      const step = this.#judge.next(clock.monotonicMs());
      if (step.t === "wait") await this.#sleep(step.untilMs - clock.monotonicMs());
      else await this.#take(step);
    }
  }

  async #take(step: Exclude<LeaseStep, { t: "wait" }>): Promise<void> {
    const { api, ref, clock } = this.#options;
    try {
      if (step.t === "look") {
        const object = await api.get(leaseType, ref);
        this.#judge.saw(object && readLease(object), clock.monotonicMs());
      } else {
        const beganMs = clock.monotonicMs();
        const lease = await this.#write(step.previous, this.#self);
        this.#judge.wrote(lease, { beganMs, atMs: clock.monotonicMs() });
        this.#settleWaiters(true, lease.epoch);
        // Asked for while this one was under way.
        if (this.#waiters.length > 0) this.#judge.hurry();
      }
      this.#problem = undefined;
    } catch (error) {
      const isOverwriting = step.t === "write" && step.previous !== undefined;
      const isStale =
        isCode(error, "MESH_KUBE_CONFLICT") || (isOverwriting && isCode(error, "MESH_KUBE_ABSENT"));
      this.#judge.failed(clock.monotonicMs(), isStale);
      if (!isStale) this.#failed(error);
    }
    this.#tell();
  }

  async #write(previous: SeenLease | undefined, holder: string | undefined): Promise<SeenLease> {
    const { api, ref, clock, durationMs } = this.#options;
    const epoch = Math.max(this.#epoch, previous?.epoch ?? 0);
    const nowMs = clock.nowMs();
    const object = leaseObject({ ref, previous, holder, durationMs, epoch, nowMs });
    const written =
      previous === undefined
        ? await api.create(leaseType, object)
        : await api.replace(leaseType, object);
    return readLease(written);
  }

  /** Others need not wait for it to run out. */
  async #release(): Promise<void> {
    const lease = this.#judge.lease();
    if (lease?.holder !== this.#self) return;
    try {
      const released = await this.#write(lease, undefined);
      const atMs = this.#options.clock.monotonicMs();
      this.#judge.wrote(released, { beganMs: atMs, atMs });
    } catch (error) {
      this.#options.log.warn({ reason: reasonOf(error) }, "Cannot give the lease back");
    }
    this.#tell();
  }

  #failed(error: unknown): void {
    const { clock, log } = this.#options;
    const reason = reasonOf(error);
    if (this.#problem === undefined) log.warn({ reason }, "Cannot find out who leads");
    this.#problem = { reason, sinceMs: this.#problem?.sinceMs ?? clock.monotonicMs() };
    this.#settleWaiters(false);
  }

  #settleWaiters(isRecorded: boolean, upTo: number = Number.POSITIVE_INFINITY): void {
    const settled = this.#waiters.filter(({ epoch }) => epoch <= upTo);
    this.#waiters = this.#waiters.filter((waiter) => !settled.includes(waiter));
    for (const { done } of settled) done(isRecorded);
  }

  #tell(): void {
    this.#armStepDown();
    const now = this.leadership();
    if (isSame(now, this.#told)) return;
    const { log } = this.#options;
    this.#told = now;
    if (now.t === "leader") log.info({}, "Leads by the lease");
    if (now.t === "doubtful") log.warn({}, "Cannot renew the lease, steps down");
    if (now.t === "follower") log.info({ owner: now.holder }, "Follows the holder of the lease");
    if (now.t === "follower") this.#settleWaiters(false);
    for (const listener of this.#listeners) listener();
  }

  /** Whoever cannot reach the API server hears nothing of it: time alone ends that it leads. */
  #armStepDown(): void {
    const { clock, timers } = this.#options;
    const atMs = this.#judge.stepDownAtMs();
    this.#cancelStepDown();
    if (atMs === undefined || this.#isClosed || this.leadership().t !== "leader") return;
    this.#cancelStepDown = timers.after(atMs - clock.monotonicMs(), () => this.#tell());
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.timers.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

function isCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof MeshError && error.code === code;
}

function isSame(left: Leadership, right: Leadership): boolean {
  if (left.t === "follower" && right.t === "follower") {
    return left.holder?.instance === right.holder?.instance;
  }
  return left.t === right.t;
}
