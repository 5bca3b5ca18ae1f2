import type { Catalog } from "../../../discovery/io/catalog/catalog-client.ts";
import { createMeshView, type MeshView } from "../../../discovery/merge/mesh-view.ts";
import type { GroupStanding } from "../../../discovery/policies/group-answer.ts";
import type { SourceChange } from "../../../discovery/source.ts";
import type { MemberResources } from "../../../gateway/sets/member-resources.ts";
import type { SignedCharter } from "../../../mesh/charter.ts";
import { reasonOf } from "../../../mesh/errors.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { Finding } from "../../../mesh/service.ts";
import type { CharterVerdict } from "../../../trust/charter.ts";
import { GatewayDrains } from "../gateways/gateway-drains.ts";
import { Leaving } from "../leaving/leaving.ts";
import { LoadIntake } from "../load/load-intake.ts";
import { ImportPolicies } from "../policies/import-policies.ts";
import type { SidecarClaim } from "../sidecars/sidecar-proofs.ts";
import { createOwnSources, type OwnSources } from "../sources/own-sources.ts";
import { AdaptiveTimeout } from "./adaptive-timeout.ts";
import type { AgentCoreOptions } from "./agent-core-options.ts";
import { Knowledge } from "./knowledge.ts";
import { createLocalState, type LocalState } from "./local-state.ts";
import type { Neighbours } from "./neighbours.ts";
import { openCatalog } from "./open-catalog.ts";
import { openNeighbours } from "./open-neighbours.ts";
import { openResources } from "./open-resources.ts";
import { createServiceBuilder, type ServiceBuilder } from "./service-builder.ts";
import { takeCatalogEvent } from "./take-catalog-event.ts";
import { withheldFinding } from "./withheld-finding.ts";

const tickMs = 1000;
// A fleet that restarts must not move the zones' weights with every stream.
const ticksPerCallers = 5;

/** What one member knows and decides: sources, catalog, neighbours, merged services, resources. */
export class AgentCore implements AsyncDisposable {
  readonly resources: MemberResources;
  readonly catalog: Catalog;
  readonly neighbours: Neighbours;
  readonly local: LocalState;
  readonly mesh: MeshView;
  readonly load: LoadIntake;
  readonly drains: GatewayDrains;
  readonly leaving: Leaving;
  readonly policies: ImportPolicies;
  readonly #options: AgentCoreOptions;
  readonly #sources: OwnSources;
  readonly #builder: ServiceBuilder;
  readonly #knowledge: Knowledge;
  #ticks = 0;
  readonly #timeout: AdaptiveTimeout;
  #tick: NodeJS.Timeout | undefined;

  constructor(options: AgentCoreOptions) {
    const { config, trust, clock, log } = options;
    const self = config.member.name;
    this.#options = options;
    this.resources = openResources(config, trust);
    const charter = (): ReturnType<typeof trust.charter>["charter"] => trust.charter().charter;
    const { registration } = options;
    this.local = createLocalState(options.proofs, (id, service) =>
      registration === undefined ? [] : registration.endpointsOf(id, service),
    );
    this.catalog = openCatalog(options, (event) =>
      takeCatalogEvent(event, {
        core: this,
        build: (ids) => this.#builder.add(ids),
        buildSoon: () => this.#builder.flushSoon(),
      }),
    );
    this.neighbours = openNeighbours(options, {
      catalog: this.catalog,
      onChange: (members) => this.#builder.add(this.mesh.touchMembers(members)),
    });
    this.mesh = createMeshView({
      self,
      charter,
      shardOf: (member) => this.catalog.shard(member),
      verdictOf: (member) => this.neighbours.verdictOf(member),
      passageOf: (service, member) => this.load.passageOf(service, member),
      rankOf: (member) => this.neighbours.rankOf(member),
      gatewaysOf: (member) => this.neighbours.gatewaysOf(member),
    });
    this.load = new LoadIntake({
      self,
      clock,
      service: (id) => this.resources.service(id),
      onHeard: (member) => this.neighbours.hear(member),
      onPassage: ({ service }) => this.#builder.add(this.mesh.touchService(service)),
    });
    this.#builder = createServiceBuilder({
      build: (id) => {
        // First: it does not depend on what proxies are told, which may be beyond us.
        options.onService?.(id);
        this.resources.update(id, this.mesh.service(id));
      },
      onIdle: () => {
        if (!this.isWarm()) this.#knowledge.judge();
      },
      clock,
      log,
      telemetry: options.telemetry,
    });
    this.drains = new GatewayDrains({
      self,
      addresses: config.gateway.service === undefined ? config.gateway.addresses : undefined,
      catalog: this.catalog,
      isBuilt: () => this.#builder.isIdle(),
      unansweredBy: () => options.proxyAnswers().unanswered,
      onChange: () => this.publishMember(),
      clock,
      log,
    });
    this.leaving = new Leaving({
      self,
      charter,
      catalog: this.catalog,
      services: () => [...this.local.services.values()],
      onChange: () => this.publishMember(),
      clock,
    });
    this.policies = new ImportPolicies({
      isBuilt: () => this.#builder.isIdle(),
      proxies: options.proxyAnswers,
    });
    this.#timeout = new AdaptiveTimeout({
      worstRttMs: () => this.neighbours.worstRttMs(),
      isFailover: () => this.neighbours.isFailover(),
      onChange: (connectTimeoutMs) => this.resources.setSettings({ connectTimeoutMs }),
      clock,
      log,
    });
    this.#sources = createOwnSources({
      sources: options.sources,
      onChange: (source, change) => this.#takeSource(source, change),
      hasRegistration: options.registration !== undefined,
    });
    this.#knowledge = new Knowledge({
      clock,
      isBuilt: () => this.#sources.isSynced() && this.#builder.isIdle() && this.#areImportsKnown(),
      isCatalogWarm: () => this.catalog.isWarm(),
      isAnyMissing: () => this.catalog.missing().length > 0,
      onNews: options.onKnowledge,
    });
  }

  /** Resolves when sources are synced and this member's name is claimed. Throws as those do. */
  async start(signal: AbortSignal): Promise<void> {
    this.#tick = setInterval(() => this.#onTick(), tickMs);
    this.#knowledge.start();
    this.publishMember();
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const starts = [this.#startSources(either), this.catalog.start(either)];
    try {
      await Promise.all(starts);
    } catch (thrown) {
      // The other one ends first: whoever closes this must not find it still writing to disk.
      failed.abort(thrown);
      await Promise.allSettled(starts);
      throw thrown;
    }
    this.#knowledge.judge();
  }

  /** Whether xDS streams may be served. */
  isWarm(): boolean {
    return this.#knowledge.isWarm();
  }

  /** Whether everything is known that may still come. */
  isSettled(): boolean {
    return this.#knowledge.isSettled();
  }

  /** What an agent that is not warm waits for. */
  waitingFor(): readonly string[] {
    if (this.isWarm()) return [];
    const isSynced = this.#sources.isSynced();
    const sources = isSynced ? [] : this.#sources.names;
    const imports = isSynced && !this.#areImportsKnown() ? ["ServiceImports"] : [];
    return [...sources, ...imports, ...this.catalog.missing().map((name) => `shard ${name}`)];
  }

  #areImportsKnown(): boolean {
    return this.#options.areImportsKnown?.() ?? true;
  }

  /** Whether all that is known has been made into resources. */
  isBuilt(): boolean {
    return this.#builder.isIdle();
  }

  /** What becomes of a WorkloadGroup of that source. */
  standingOf(source: string, group: string): GroupStanding {
    return this.#options.registration?.standingOf(source, group) ?? { t: "unfollowed" };
  }

  /** What registered of these services may be another. */
  touchServices(ids: Iterable<ServiceId>): void {
    this.#changed(this.local.touch(ids));
  }

  prove(claims: readonly SidecarClaim[]): void {
    const change = this.local.prove(claims);
    this.#options.onProofs();
    this.#changed(change);
  }

  /** Judges a charter, from wherever; a newer one is in force and on its way to all hubs when this returns. */
  offerCharter(signed: SignedCharter): CharterVerdict {
    const verdict = this.#options.trust.offer(signed);
    if (verdict.t === "newer") this.#adoptCharter();
    return verdict;
  }

  findings(): readonly Finding[] {
    return [
      ...this.#options.trust.findings(),
      ...this.#sources.findings(),
      ...(this.#options.registration?.findings() ?? []),
      ...this.catalog.findings(),
      ...(this.#options.leadership?.findings() ?? []),
      ...this.neighbours.findings(),
      ...this.drains.own.findings(),
      ...this.load.findings(),
      ...this.mesh.findings(),
      ...this.#builder.findings(),
      ...this.resources.withheld().map(withheldFinding),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#tick);
    this.#knowledge[Symbol.dispose]();
    this.drains[Symbol.dispose]();
    await this.#sources[Symbol.asyncDispose]();
    this.neighbours[Symbol.dispose]();
    await this.catalog[Symbol.asyncDispose]();
  }

  async #startSources(signal: AbortSignal): Promise<void> {
    await this.#sources.start(signal);
    this.catalog.publishAll(this.leaving.offered([...this.local.services.values()]));
  }

  #takeSource(source: string, change: SourceChange): void {
    // First: services that come with a policy are not built without it.
    if (change.policies !== undefined) {
      const policies = this.policies.take(source, change.policies);
      this.#builder.add(this.mesh.applyPolicies(policies));
    }
    // Before the services that they stand behind.
    if (change.groups !== undefined) this.#options.registration?.setGroups(source, change.groups);
    this.#changed(this.local.take(source, change));
  }

  #changed(change: SourceChange): void {
    if (change.upserts.length + change.removed.length === 0) return;
    this.catalog.publish({ ...change, upserts: this.leaving.offered(change.upserts) });
    this.#builder.add(this.mesh.applyLocal(change));
  }

  /** What the member says of itself may be another now. */
  publishMember(): void {
    const bundleDigest = this.#options.trust.charter().bundle.digest;
    const rotation = this.#options.rotation?.();
    const followed = rotation === undefined ? {} : { rotation };
    this.catalog.publishMember({
      ...this.drains.record(),
      ...this.leaving.record(),
      bundleDigest,
      ...followed,
    });
  }

  #adoptCharter(): void {
    const { trust } = this.#options;
    const { charter, signed } = trust.charter();
    this.resources.setTrust(trust.view());
    this.publishMember();
    // Emits what changed of each member.
    this.catalog.setCharter(charter, signed);
    this.neighbours.refresh();
    this.#builder.add(this.mesh.charterChanged());
    this.#options.onCharter();
  }

  #onTick(): void {
    try {
      const hubs = this.catalog.hubs();
      this.neighbours.tick({ isAnyHubReadable: hubs.some(({ isReadable }) => isReadable) });
      this.load.tick();
      this.policies.look();
      this.leaving.look();
      this.#ticks += 1;
      if (this.#ticks % ticksPerCallers === 0) this.resources.refreshCallers();
      this.#timeout.adjust();
    } catch (thrown) {
      this.#options.log.error({ err: thrown, reason: reasonOf(thrown) }, "Tick failed");
    }
  }
}
