import type { ServiceId } from "../../../mesh/ids.ts";
import type { Clock, Random } from "../../../mesh/ports.ts";
import type { Endpoint, LocalService } from "../../../mesh/service.ts";
import type { SourceChange, SourceEvents, WorkloadSource } from "../../source.ts";
import type { ProbeOutcome, ProbeRules, ProbeState } from "../../sources/health.ts";
import {
  afterProbe,
  initialProbeState,
  nextProbeInMs,
  probedEndpoint,
  probeKeyOf,
  probeRules,
} from "../../sources/health.ts";
import type { ProbeLimits, ProbeTarget } from "./workload-probe.ts";
import { probeWorkload } from "./workload-probe.ts";

export interface HealthProbeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly rules?: Partial<ProbeRules>;
  readonly timeoutMs?: number;
  readonly maxInFlight?: number;
  /** How long the first change waits for the first answers of all workloads. */
  readonly firstRoundMs?: number;
  /** Asks one workload once; replaced in tests. */
  readonly probe?: (target: ProbeTarget, limits: ProbeLimits) => Promise<ProbeOutcome>;
}

// As long as Kubernetes waits by default.
const defaultTimeoutMs = 1000;
// 5,000 workloads that answer within 10 ms need 50 at a time.
const defaultMaxInFlight = 64;
// Workloads that swallow packets must not keep an agent from starting.
const defaultFirstRoundMs = 2000;

/**
 * The same source, with the health of endpoints that ask for a probe: at most as good as declared, and
 * unhealthy until a probe has succeeded. The first change waits for the first round of probes, so a
 * restarted agent does not call its whole member dead for a moment.
 */
export function withHealthProbes(
  source: WorkloadSource,
  options: HealthProbeOptions,
): WorkloadSource {
  return new HealthProber(source, options);
}

/** What is handed on as it is. */
type Wholes = Omit<SourceChange, "upserts" | "removed">;

/** One workload under probe. */
interface Probed extends ProbeTarget {
  readonly users: Set<ServiceId>;
  readonly stop: AbortController;
  state: ProbeState;
  timer?: NodeJS.Timeout;
  onFirstResult?: () => void;
}

class HealthProber implements WorkloadSource {
  readonly name: string;
  readonly #source: WorkloadSource;
  readonly #options: HealthProbeOptions;
  readonly #rules: ProbeRules;
  readonly #services = new Map<ServiceId, LocalService>();
  readonly #probed = new Map<string, Probed>();
  readonly #keys = new Map<ServiceId, ReadonlySet<string>>();
  readonly #waiting: Probed[] = [];
  /** Before it is synced they wait, as services do. */
  #wholes: Wholes = {};
  #inFlight = 0;
  #events: SourceEvents | undefined;
  #isSynced = false;
  #isClosed = false;

  constructor(source: WorkloadSource, options: HealthProbeOptions) {
    this.name = source.name;
    this.#source = source;
    this.#options = options;
    this.#rules = { ...probeRules, ...options.rules };
  }

  async start(events: SourceEvents, signal: AbortSignal): Promise<void> {
    this.#events = events;
    signal.addEventListener("abort", () => this.#close(), { once: true });
    await this.#source.start(
      {
        onChange: (change) => this.#take(change),
        onFindings: (findings) => events.onFindings(findings),
      },
      signal,
    );
    await this.#firstRound();
    if (this.#isClosed) return;
    this.#isSynced = true;
    events.onChange({
      upserts: [...this.#services.values()].map((service) => this.#view(service)),
      removed: [],
      ...this.#wholes,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await this.#source[Symbol.asyncDispose]();
  }

  #close(): void {
    this.#isClosed = true;
    for (const probed of this.#probed.values()) stop(probed);
    this.#probed.clear();
    this.#waiting.length = 0;
  }

  /** Resolves when every workload known by now has answered once or the time for that is up. */
  async #firstRound(): Promise<void> {
    const results = [...this.#probed.values()].map(
      (probed) =>
        new Promise<void>((resolve) => {
          const isKnown = probed.state.t !== "unknown" || probed.state.tries > 0;
          if (isKnown || probed.stop.signal.aborted) resolve();
          probed.onFirstResult = resolve;
          probed.stop.signal.addEventListener("abort", () => resolve(), { once: true });
        }),
    );
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.firstRoundMs ?? defaultFirstRoundMs);
    });
    await Promise.race([Promise.all(results), limit]);
    clearTimeout(timer);
  }

  #take({ upserts, removed, ...wholes }: SourceChange): void {
    if (this.#isClosed) return;
    this.#wholes = { ...this.#wholes, ...wholes };
    for (const service of upserts) this.#follow(service);
    for (const id of removed) {
      this.#services.delete(id);
      this.#unfollow(id, new Set());
    }
    if (!this.#isSynced) return;
    const viewed = upserts.map((service) => this.#view(service));
    this.#events?.onChange({ upserts: viewed, removed, ...wholes });
  }

  #follow(service: LocalService): void {
    const before = this.#services.get(service.id);
    this.#services.set(service.id, service);
    const wanted = new Set<string>();
    for (const { address, probe, workload } of service.endpoints) {
      if (probe === undefined) continue;
      const key = probeKeyOf(address, probe);
      wanted.add(key);
      const known = this.#probed.get(key);
      if (known === undefined) {
        const was = before?.endpoints.find(
          (endpoint) => endpoint.workload === workload && endpoint.address === address,
        );
        const wasHealthy =
          this.#isSynced && was !== undefined && this.#viewEndpoint(was).health === "healthy";
        this.#begin(key, {
          address,
          probe,
          state: initialProbeState(wasHealthy),
          user: service.id,
        });
      } else known.users.add(service.id);
    }
    this.#unfollow(service.id, wanted);
  }

  #begin(
    key: string,
    {
      user,
      state,
      ...target
    }: ProbeTarget & { readonly state: ProbeState; readonly user: ServiceId },
  ): void {
    const probed: Probed = {
      ...target,
      state,
      users: new Set([user]),
      stop: new AbortController(),
    };
    this.#probed.set(key, probed);
    this.#enqueue(probed);
  }

  #unfollow(id: ServiceId, wanted: ReadonlySet<string>): void {
    for (const key of this.#keys.get(id) ?? []) {
      const probed = this.#probed.get(key);
      if (wanted.has(key) || probed === undefined) continue;
      probed.users.delete(id);
      if (probed.users.size > 0) continue;
      stop(probed);
      this.#probed.delete(key);
    }
    if (wanted.size > 0) this.#keys.set(id, wanted);
    else this.#keys.delete(id);
  }

  #enqueue(probed: Probed): void {
    this.#waiting.push(probed);
    this.#pump();
  }

  #pump(): void {
    const maxInFlight = this.#options.maxInFlight ?? defaultMaxInFlight;
    while (this.#inFlight < maxInFlight) {
      const probed = this.#waiting.shift();
      if (probed === undefined) return;
      if (probed.stop.signal.aborted) continue;
      this.#inFlight += 1;
      void this.#probe(probed).finally(() => {
        this.#inFlight -= 1;
        this.#pump();
      });
    }
  }

  async #probe(probed: Probed): Promise<void> {
    const { timeoutMs = defaultTimeoutMs, clock, random, probe = probeWorkload } = this.#options;
    const outcome = await probe(probed, { timeoutMs, clock, signal: probed.stop.signal });
    if (probed.stop.signal.aborted) return;
    const wasUp = probed.state.t === "up";
    probed.state = afterProbe(probed.state, { outcome, rules: this.#rules });
    probed.timer = setTimeout(
      () => this.#enqueue(probed),
      nextProbeInMs(probed.state, this.#rules, random()),
    );
    probed.onFirstResult?.();
    if (this.#isSynced && wasUp !== (probed.state.t === "up")) this.#report(probed);
  }

  #report({ users }: Probed): void {
    const upserts = [...users].flatMap((id) => {
      const service = this.#services.get(id);
      return service === undefined ? [] : [this.#view(service)];
    });
    this.#events?.onChange({ upserts, removed: [] });
  }

  #view(service: LocalService): LocalService {
    return {
      ...service,
      endpoints: service.endpoints.map((endpoint) => this.#viewEndpoint(endpoint)),
    };
  }

  #viewEndpoint(endpoint: Endpoint): Endpoint {
    const { address, probe } = endpoint;
    if (probe === undefined) return endpoint;
    const probed = this.#probed.get(probeKeyOf(address, probe));
    return probedEndpoint(endpoint, probed?.state ?? initialProbeState(false));
  }
}

function stop({ stop: controller, timer }: Probed): void {
  clearTimeout(timer);
  controller.abort();
}
