import { formatHostPort, type HostPort } from "../../../mesh/address.ts";
import { type Backoff, backoffCeilingMs, inUpperHalf } from "../../../mesh/backoff.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { SpiffeId } from "../../../mesh/ids.ts";
import type { IdentitySource, Log, Random } from "../../../mesh/ports.ts";
import type { GroupDefinition } from "../../../mesh/workload-group.ts";
import type { HealthChange, Registration } from "../../../xds/registering/requests.ts";
import { RegistrationSession } from "./registration-session.ts";

export interface RegistrationClientOptions {
  /** All agents of this member; each is as good as the other. */
  readonly agents: readonly HostPort[];
  readonly agentId: SpiffeId;
  readonly identity: IdentitySource;
  /** What to say at the next beginning; the address may have become another one. */
  readonly registration: () => Omit<Registration, "health">;
  /** What the group's workloads are told, now and whenever it changes. */
  readonly onDefinition: (definition: GroupDefinition) => void;
  readonly log: Log;
  readonly random: Random;
}

/** How a workload took its leave. */
export type Leave =
  /** Nobody but the missing ones opens new connections to it. */
  | { readonly t: "told"; readonly missing: readonly string[] }
  | { readonly t: "unreachable"; readonly reason: string };

// An agent that restarts must not wait long for its workloads, nor be met by all of them at once.
const pauses: Backoff = { firstMs: 500, maxMs: 15_000 };
const ignore = (): void => undefined;
// For an answer that takes as long as the agent was told it may.
const lateMs = 1000;

/** Keeps this workload registered at one of its agents for as long as it runs. */
export class RegistrationClient implements Disposable {
  readonly #options: RegistrationClientOptions;
  #health: HealthChange = { health: "unknown", reason: "" };
  #session: RegistrationSession | undefined;
  /** Begun with a new certificate; takes over when the agent has answered. */
  #next: RegistrationSession | undefined;
  #turn = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopRenewal: () => void = () => undefined;
  #isStarted = false;
  #isClosed = false;
  #lastReason = "";

  constructor(options: RegistrationClientOptions) {
    this.#options = options;
  }

  /** Call it once, when the sidecar serves. */
  start(): void {
    if (this.#isClosed) return;
    this.#isStarted = true;
    this.#stopRenewal = this.#options.identity.onChange(() => this.#renew());
    this.#connect();
  }

  get isRegistered(): boolean {
    return this.#session?.isAccepted === true;
  }

  /** What the workload's own checks say; the agent hears of changes only. */
  setHealth(change: HealthChange): void {
    const { health, reason } = this.#health;
    if (health === change.health && reason === change.reason) return;
    this.#health = change;
    this.#session?.say(change);
    this.#next?.say(change);
  }

  /** Resolves when nobody opens new connections to it, at the latest after `waitMs`. Never rejects. */
  async leave(waitMs: number): Promise<Leave> {
    this.#stop();
    if (!this.#isStarted) return { t: "unreachable", reason: "it has not registered yet" };
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("no answer in time")), waitMs + lateMs);
    try {
      return { t: "told", missing: await Promise.race([this.#goodbye(waitMs), late.promise]) };
    } catch (thrown) {
      return { t: "unreachable", reason: reasonOf(thrown) };
    } finally {
      clearTimeout(timer);
      this.#session?.close();
    }
  }

  /** On the stream that there is; without one, on one that begins for it: any agent takes the word. */
  async #goodbye(waitMs: number): Promise<readonly string[]> {
    const { agents } = this.#options;
    let failure: unknown;
    for (let left = agents.length; left > 0; left -= 1) {
      const session = this.#session ?? this.#open(ignore, ignore);
      this.#session = session;
      try {
        return await session.leave(waitMs);
      } catch (thrown) {
        failure = thrown;
        session.close();
        this.#session = undefined;
        this.#turn += 1;
      }
    }
    throw failure;
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#session?.close();
  }

  /** No more new streams. */
  #stop(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#stopRenewal();
    this.#next?.close();
    this.#next = undefined;
  }

  #open(onAccepted: () => void, onEnd: (reason: string) => void): RegistrationSession {
    const { agents, registration, ...options } = this.#options;
    const agent = agents[this.#turn % agents.length];
    if (agent === undefined) throw new RangeError("There is at least one agent");
    const session = new RegistrationSession({
      ...options,
      agent,
      registration: { ...registration(), health: this.#health },
      onDefinition: (definition) => {
        onAccepted();
        this.#options.onDefinition(definition);
      },
      onEnd,
    });
    return session;
  }

  #connect(): void {
    const agent = this.#options.agents[this.#turn % this.#options.agents.length];
    const address = agent === undefined ? "" : formatHostPort(agent);
    let isNew = true;
    const session = this.#open(
      () => {
        this.#failures = 0;
        this.#lastReason = "";
        if (isNew) this.#options.log.info({ address }, "Registered");
        isNew = false;
      },
      (reason) => {
        if (this.#session === session) this.#lost(reason, address);
      },
    );
    this.#session = session;
  }

  #lost(reason: string, address: string): void {
    // The agent ends the older stream when the newer one takes over.
    this.#session = this.#next;
    this.#next = undefined;
    if (this.#isClosed || this.#session !== undefined) return;
    const delayMs = inUpperHalf(backoffCeilingMs(pauses, this.#failures), this.#options.random);
    this.#failures += 1;
    this.#turn += 1;
    const fields = { address, reason, delayMs: Math.round(delayMs) };
    // The same again each quarter of a minute tells nobody anything.
    if (reason !== this.#lastReason) this.#options.log.warn(fields, "Not registered");
    this.#lastReason = reason;
    this.#timer = setTimeout(() => this.#connect(), delayMs);
  }

  /** A connection lives no longer than the certificate that it was made with. */
  #renew(): void {
    if (this.#isClosed || this.#session?.isAccepted !== true || this.#next !== undefined) return;
    const next = this.#open(
      () => {
        if (this.#next !== next) return;
        this.#next = undefined;
        const old = this.#session;
        this.#session = next;
        old?.close();
      },
      (reason) => {
        if (this.#next === next) this.#next = undefined;
        if (this.#session === next) this.#lost(reason, "");
      },
    );
    this.#next = next;
  }
}
