import { randomUUID } from "node:crypto";
import type { GroupStanding } from "../../../discovery/policies/group-answer.ts";
import {
  createRegisteredBook,
  type RegisteredBook,
} from "../../../discovery/registration/registered-book.ts";
import { registeredEndpoints } from "../../../discovery/registration/registered-endpoints.ts";
import { registeredIn, registeredJson } from "../../../discovery/registration/registered-json.ts";
import type { ServiceId, SpiffeId } from "../../../mesh/ids.ts";
import type { Endpoint, Finding, LocalService } from "../../../mesh/service.ts";
import type { GroupDefinition, WorkloadGroup } from "../../../mesh/workload-group.ts";
import type {
  RegisteredWorkload,
  Registrant,
  RegistrationDesk,
  WorkloadLine,
} from "../../../proxy/registration-desk.ts";
import type { GroupAccount } from "../../../trust/join/join-grant.ts";
import type { HealthChange } from "../../../xds/registering/requests.ts";
import type { RegisteredShare } from "../replicas/registered-share.ts";
import { type InstanceTwins, watchTwins } from "./instance-twins.ts";
import { type ArrivalRules, groupFor, judgeArrival } from "./judge-arrival.ts";
import { LeaveWitnesses, leaveMark } from "./leave-witnesses.ts";
import { PacedFlush } from "./paced-flush.ts";
import { addressMoved, groupGone, registrationLimit } from "./refusals.ts";
import { openRegistrationFile, type RegistrationFile } from "./registration-file.ts";
import { registrationFindings } from "./registration-findings.ts";
import { RegistrationGroups } from "./registration-groups.ts";
import type { RegistrationOptions } from "./registration-options.ts";
import { ReplicaLives } from "./replica-lives.ts";
import { takenOver } from "./taken-over.ts";
import { type OpenLine, WorkloadLines } from "./workload-lines.ts";

const tickMs = 1000;

/** The workloads that register themselves with this member: what its sources' groups and services make of them. */
export class Registration implements RegistrationDesk, AsyncDisposable {
  /** Of this process; entries say by it where a stream is. */
  readonly life: string = randomUUID();
  readonly #options: RegistrationOptions;
  readonly #groups = new RegistrationGroups();
  readonly #book: RegisteredBook;
  readonly #lines = new WorkloadLines();
  readonly #rules: ArrivalRules;
  readonly #twins: InstanceTwins;
  readonly #witnesses: LeaveWitnesses;
  readonly #lives: ReplicaLives;
  readonly #tick: NodeJS.Timeout;
  #file: RegistrationFile | undefined;
  readonly #flush: PacedFlush;
  #revision = 0;
  #isClosing = false;

  private constructor(options: RegistrationOptions) {
    const { clock } = options;
    this.#options = options;
    this.#lives = new ReplicaLives(clock, options);
    this.#twins = watchTwins(clock);
    this.#witnesses = new LeaveWitnesses(options);
    this.#book = createRegisteredBook({
      holder: this.life,
      groupOf: (id) => this.#groups.selection.group(id),
      ...clock,
    });
    this.#rules = { ...options, book: this.#book, selection: this.#groups.selection, ...clock };
    this.#flush = new PacedFlush(clock, () => this.#passOn());
    this.#tick = setInterval(() => this.#pass(), tickMs);
  }

  /** With what is kept of an earlier run: nobody is deregistered because an agent restarts. */
  static async open(options: RegistrationOptions): Promise<Registration> {
    const registration = new Registration(options);
    await registration.#load();
    return registration;
  }

  /** All groups of one source. */
  setGroups(source: string, groups: readonly WorkloadGroup[]): void {
    this.#options.onServices(this.#groups.set(source, groups));
    for (const key of this.#lines.keys()) this.#tell(key);
  }

  /** What becomes of a group of that source. */
  standingOf(source: string, id: string): GroupStanding {
    return this.#groups.standingOf(source, id);
  }

  /** What stands behind the service; to be asked whenever it is another, and with undefined when it is gone. */
  endpointsOf(id: ServiceId, service: LocalService | undefined): readonly Endpoint[] {
    this.#groups.selection.setService(id, service?.selects);
    if (service === undefined) return [];
    const nowMs = this.#options.clock.monotonicMs();
    return this.#groups.selection
      .groupsOf(id)
      .flatMap((group) =>
        registeredEndpoints(service, { group, entries: this.#book.of(group.id), nowMs }),
      );
  }

  describe(peer: SpiffeId, group: string): GroupDefinition {
    return this.#groups.definitionOf(groupFor(peer, group, this.#rules));
  }

  /** What a token for a VM of that group may buy. */
  findGroup(id: string): GroupAccount {
    return this.#groups.find(id);
  }

  /** Whether workloads of some group run as this account. */
  isVmAccount(account: { readonly namespace: string; readonly serviceAccount: string }): boolean {
    return this.#groups.hasAccount(account);
  }

  open(registrant: Registrant, line: WorkloadLine): RegisteredWorkload {
    const { arrival, displaced } = judgeArrival(registrant, this.#rules);
    const { key } = arrival;
    this.#lines.checkRoom(registrant.certificate, key);
    if (!this.#book.makeRoom(key))
      throw registrationLimit("this agent has no room for more of its account");
    for (const other of displaced) this.#displace(other);
    if (this.#lines.get(key) !== undefined) this.#twins.note(key, registrant);
    const { sequence } = this.#book.arrive(arrival);
    const { certificate } = registrant;
    const own: OpenLine = { line, certificate, sequence, told: "" };
    this.#lines.open(key, own);
    this.#tell(key);
    this.#changed();
    const { group, name, address } = arrival;
    this.#options.log.info({ group, name, address, id: registrant.peer }, "Workload registered");
    return {
      say: (change) => this.#say(key, own, change),
      leave: async (limit) => await this.#leave(key, own, limit),
      ended: () => this.#ended(key, own),
    };
  }

  /** Entries for disk and replicas. */
  entries(): readonly object[] {
    const nowMs = this.#options.clock.monotonicMs();
    return [...this.#book.all()].map((entry) => registeredJson(entry, nowMs));
  }

  /** Changes with what `entries` says. */
  version(): string {
    return `${this.life} ${this.#book.revision()}`;
  }

  /** Goodbyes that this agent's proxies have taken over. */
  taken(): readonly string[] {
    return this.#witnesses.taken();
  }

  /** Takes what another agent of this member knows. */
  merge({ life, entries = [], taken }: Omit<RegisteredShare, "version">): void {
    const { clock } = this.#options;
    this.#lives.hear(life);
    this.#witnesses.hear(life, taken);
    this.#book.merge(entries.flatMap((one) => registeredIn(one, clock.monotonicMs()) ?? []));
    for (const [key, own] of this.#lines.all()) this.#defend(key, own);
    if (entries.length === 0) return;
    this.#flush.now();
    this.#witnesses.look(this.#book.all());
  }

  findings(): readonly Finding[] {
    return [
      ...registrationFindings({
        groups: [...this.#groups.selection.groups()],
        servicesOf: ({ id }) => this.#groups.selection.servicesOf(id),
        held: this.#book.held(),
        service: this.#options.service,
        unproven: this.#options.unproven(),
      }),
      ...this.#twins.findings(),
    ];
  }

  /** The agent ends: streams that end now say nothing of their workloads. */
  closing(): void {
    this.#isClosing = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#tick);
    this.#flush[Symbol.dispose]();
    this.#witnesses[Symbol.dispose]();
    await this.#file?.close();
  }

  async #load(): Promise<void> {
    const { snapshotDir: dir, log, watchWrite: watch, clock } = this.#options;
    this.#file = await openRegistrationFile({ dir, log, watch, all: () => this.entries() });
    const nowMs = clock.monotonicMs();
    this.#book.merge(this.#file.entries.flatMap((one) => registeredIn(one, nowMs) ?? []));
    this.#adopt();
  }

  #pass(): void {
    this.#adopt();
    this.#book.tick();
    this.#changed();
  }

  /** Those whose agent is gone, and that have not come to another, wait here. */
  #adopt(): void {
    this.#book.adopt((life) => this.#lives.isGone(life));
  }

  /** Another agent may have given this workload up, while its stream is here all the time. */
  #defend(key: string, own: OpenLine): void {
    const entry = this.#book.get(key);
    if (entry === undefined || entry.holder === this.life) return;
    if (entry.stream.t === "live" && entry.sequence > own.sequence) {
      return this.#lines.replace(key);
    }
    own.sequence = this.#book.arrive(entry).sequence;
  }

  #say(key: string, own: OpenLine, { health, reason }: HealthChange): void {
    if (!this.#lines.isCurrent(key, own) || health === "unknown") return;
    this.#book.say(key, { stated: health, reason });
    this.#changed();
  }

  async #leave(
    key: string,
    own: OpenLine,
    { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<readonly string[]> {
    if (!this.#lines.isCurrent(key, own)) return [];
    this.#book.leave(key);
    this.#flush.now();
    const limit = AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
    const entry = this.#book.get(key);
    const [late, others] = await Promise.all([
      takenOver(this.#options.proxies, limit),
      entry === undefined ? [] : this.#witnesses.others(leaveMark(entry), limit),
    ]);
    const missing = [...late, ...others];
    const fields = { group: entry?.group, name: entry?.name, names: missing };
    this.#options.log.info(fields, "Workload has left");
    if (this.#lines.isCurrent(key, own)) {
      this.#lines.delete(key);
      this.#book.forget(key);
      this.#changed();
    }
    return missing;
  }

  #ended(key: string, own: OpenLine): void {
    if (!this.#lines.isCurrent(key, own)) return;
    this.#lines.delete(key);
    // What ends because this agent does says nothing of the workload.
    if (this.#isClosing) return;
    const entry = this.#book.get(key);
    if (entry?.stream.t === "leaving") this.#book.forget(key);
    else this.#book.lose(key, own.certificate);
    this.#options.log.info({ group: entry?.group, name: entry?.name }, "Workload's stream is lost");
    this.#changed();
  }

  /** Its address was given to another machine. */
  #displace(key: string): void {
    this.#book.forget(key);
    this.#lines.end(key, addressMoved());
  }

  #tell(key: string): void {
    const own = this.#lines.get(key);
    const entry = this.#book.get(key);
    if (own === undefined || entry === undefined) return;
    const group = this.#groups.selection.group(entry.group);
    if (group?.serviceAccount !== entry.serviceAccount) return own.line.end(groupGone(entry.group));
    this.#lines.tell(own, this.#groups.definitionOf(group));
  }

  #changed(): void {
    const revision = this.#book.revision();
    if (revision !== this.#revision) this.#file?.touch();
    this.#revision = revision;
    if (!this.#isClosing) this.#flush.soon();
  }

  /** Whether the endpoints of any service may be others. */
  #passOn(): boolean {
    const groups = this.#book.takeChanged();
    if (groups.size === 0) return false;
    this.#options.onServices(
      new Set([...groups].flatMap((id) => this.#groups.selection.servicesOf(id))),
    );
    return true;
  }
}
