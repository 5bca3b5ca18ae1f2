import type { CatalogStore } from "../../discovery/shards/store.ts";
import type { WorkloadSource } from "../../discovery/source.ts";
import type { ResolveHost } from "../../gateway/io/resolve-host.ts";
import type { HostPort } from "../../mesh/address.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Clock, Log, Random } from "../../mesh/ports.ts";
import { createTelemetry, type Telemetry } from "../../telemetry/registry.ts";
import type { AgentConfig } from "../config/config.ts";
import type { Imports } from "../kubernetes/imports.ts";
import { realClock } from "../real-time.ts";
import { collectAgentMetrics } from "./agent-metrics.ts";
import type { AgentView } from "./agent-view.ts";
import { openCluster } from "./cluster/open-cluster.ts";
import { openLease } from "./cluster/open-lease.ts";
import { AgentCore } from "./core/agent-core.ts";
import { createAdmission } from "./desk/admission.ts";
import { openDesk } from "./desk/open-desk.ts";
import { type AgentFederation, openFederation } from "./federation/open-federation.ts";
import { openStateFolder } from "./files/open-state-folder.ts";
import { openIdentity } from "./identity/open-identity.ts";
import { openIssuer } from "./issuer/open-issuer.ts";
import { createRenewalAlarms } from "./issuer/renewal-alarms.ts";
import { openWatches } from "./open-watches.ts";
import type { ProxyAnswers } from "./policies/import-policies.ts";
import { type AgentProxies, serveProxies } from "./proxies/agent-proxies.ts";
import { createEngineWatch } from "./proxies/engine-watch.ts";
import type { ProxyWatch } from "./proxies/proxy-watch.ts";
import { openRegistration } from "./registration/open-registration.ts";
import { type ReplicaWatch, watchReplicas } from "./replicas/replica-watch.ts";
import { type AgentRotation, openRotation } from "./rotation/open-rotation.ts";
import { serveHttp } from "./serve-http.ts";
import { loadProofs } from "./sidecars/load-proofs.ts";
import { openPodClaims } from "./sidecars/open-pod-claims.ts";
import { createSidecarProofs } from "./sidecars/sidecar-proofs.ts";
import { openSources } from "./sources/open-sources.ts";
import { openAgentTrust } from "./trust/agent-trust.ts";

/** What the world around an agent is made of; tests and the demo pass their own. */
export interface AgentParts {
  /**
   * The hubs; each alone carries the mesh, none needs to answer when the agent starts. The agent closes
   * them. Several agents in one process share one `MemoryHub` through a store each.
   */
  readonly stores: readonly CatalogStore[];
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: Random;
  /** In place of those that the configuration names. */
  readonly sources?: readonly WorkloadSource[];
  /** Where the agent's metrics are kept; shared with who opened its stores. */
  readonly telemetry?: Telemetry;
  /** How names of gateways are resolved; default: as the system does. */
  readonly resolve?: ResolveHost;
  /** Ends a start that takes too long. */
  readonly signal?: AbortSignal;
}

export interface RunningAgent extends AsyncDisposable {
  readonly member: MemberName;
  /** Where it really listens; differs from the config when that asks for port 0. */
  readonly xds: HostPort;
  readonly httpUrl: string;
  /** Resolves when xDS streams are served: own sources and every member's shard are loaded. */
  readonly whenWarm: Promise<void>;
  /** Ends in good order within `deadlineMs`, then by force. Later calls share the first one's promise. */
  readonly stop: (options: { readonly deadlineMs: number }) => Promise<void>;
}

// Proxies keep what they have and come back on their own: nothing is gained by a long goodbye.
const streamGraceMs = 1000;

const noAnswers: ProxyAnswers = {
  connected: new Set(),
  unanswered: new Set(),
  refusing: new Set(),
};

/**
 * Starts the control plane of one member; resolves when its ports listen and its name is claimed.
 * Throws MESH_LISTEN_FAILED, MESH_CONFIG_INVALID (the charter says otherwise),
 * MESH_CATALOG_NAME_TAKEN and MESH_TRUST_….
 */
export async function startAgent(config: AgentConfig, parts: AgentParts): Promise<RunningAgent> {
  // What was opened is closed in the opposite order, also when a later step fails.
  await using opened = new AsyncDisposableStack();
  const clock = parts.clock ?? realClock;
  const random = parts.random ?? Math.random;
  const { log } = parts;
  const startedAtMs = clock.monotonicMs();
  const telemetry = parts.telemetry ?? createTelemetry("agent");
  const ending = new AbortController();
  opened.defer(() => ending.abort(new Error("the agent is closing")));
  const trust = await openAgentTrust(config, { clock, random, log, signal: ending.signal });
  opened.defer(() => trust.whenSaved());
  const { disk, secrets } = opened.use(await openStateFolder(config.catalog, log));
  const proofs = createSidecarProofs();
  const proofFile = await loadProofs(proofs, {
    dir: config.catalog.snapshotDir,
    // Before the sources are read, every proof seems to be of nothing.
    services: () => (core.isWarm() ? core.local.services.values() : undefined),
    watch: disk.watch,
    clock,
    log,
  });
  opened.defer(() => proofFile.close());

  const wanted = parts.sources === undefined ? config.sources : [];
  const sources = opened.use(await openSources(wanted, { clock, random }));

  const registration = await openRegistration(config, {
    trust,
    disk,
    sources,
    core: () => core,
    answers: () => doors.proxies?.answers() ?? noAnswers,
    clock,
    log,
  });
  if (registration !== undefined) opened.use(registration);

  const leadership = await openLease(config, { clock, random, log });
  // Given back after the last write.
  if (leadership !== undefined) opened.use(leadership);

  const doors: {
    proxies?: AgentProxies;
    imports?: Imports | undefined;
    proxyWatch?: ProxyWatch;
    replicas?: ReplicaWatch;
    rotation?: AgentRotation;
    federation?: AgentFederation;
  } = {};
  const warm = Promise.withResolvers<void>();
  const core = new AgentCore({
    config,
    trust,
    stores: parts.stores,
    snapshots: disk.snapshots,
    proofs,
    ...(registration === undefined ? {} : { registration }),
    ...(leadership === undefined ? {} : { leadership }),
    sources: parts.sources ?? sources.all,
    clock,
    random,
    log,
    telemetry,
    onCharter: () => {
      doors.proxies?.recheck();
      void doors.federation?.adopted();
      doors.rotation?.look();
    },
    rotation: () => doors.rotation?.record(),
    onKnowledge: () => {
      doors.proxies?.wake();
      if (core.isWarm()) warm.resolve();
    },
    onService: (id) => doors.imports?.touch([id]),
    areImportsKnown: () => doors.imports?.isKnown() ?? true,
    onProofs: () => proofFile.touch(),
    proxyAnswers: () => doors.proxies?.answers() ?? noAnswers,
    ...(parts.resolve === undefined ? {} : { resolve: parts.resolve }),
  });
  opened.use(core);
  const desk = openDesk(config, { trust, core, log });
  const admit = desk.canSign
    ? createAdmission(desk, { clock, log, hubs: config.catalog.hubs })
    : undefined;
  const federation = opened.use(await openFederation(config, { trust, clock, random, log }));
  doors.federation = federation;
  trust.foreignRoots.onChange(() => core.resources.setTrust(trust.view()));
  core.resources.setTrust(trust.view());
  const { agent: ownAgent, catalog: ownCatalog } = trust.identities;
  const alarms = createRenewalAlarms({ clock, identities: [ownAgent, ownCatalog] });
  const issuer = opened.use(openIssuer(config, { trust, desk, admit, clock, random, log }));
  const rotation = opened.use(
    openRotation({ trust, core, doors, clock, renewIssuer: issuer.renewNow }),
  );
  doors.rotation = rotation;
  const engines = createEngineWatch(clock);
  const cluster = await openCluster(config, {
    self: config.member.name,
    trust,
    core,
    telemetry,
    isLeader: leadership?.isLeader ?? (() => core.catalog.writerStatus()?.isStandby === false),
    clock,
    random,
    log,
  });
  if (cluster !== undefined) opened.use(cluster);
  doors.imports = cluster?.imports;
  const claims = openPodClaims(sources, { onProof: (proven) => core.prove(proven), clock, log });
  const proxies = await serveProxies({
    ...config.xds,
    trust,
    resources: core.resources,
    clock,
    log,
    telemetry,
    isWarm: () => core.isWarm(),
    isSettled: () => core.isSettled(),
    onSidecar: (node) => claims.open(node),
    proofs,
    instance: () => core.catalog.writerStatus()?.instance,
    onAdmitted: (node) => engines.note(node),
    openLoad: (node, witness) => core.load.open(node, witness),
    identity: openIdentity(config, {
      trust,
      ...(cluster?.prove === undefined ? {} : { byCluster: cluster.prove }),
      findGroup: (group) => registration?.findGroup(group) ?? { t: "absent" },
      isVmAccount: (account) => registration?.isVmAccount(account) ?? false,
      ...(admit === undefined ? {} : { admit }),
      onRenewed: ({ leafSha256 }) => rotation.replaced(leafSha256),
      clock,
      log,
      telemetry,
    }),
    tally: () => rotation.tally(),
    mustRenew: (peer, digest) => {
      alarms.note(peer);
      return rotation.mustRenew(peer, digest);
    },
    announced: (request, signal) => core.drains.own.announced(request, signal),
    ...(registration === undefined ? {} : { registration }),
  });
  doors.proxies = proxies;
  const stopping = { graceMs: 0 };
  opened.defer(() => proxies.close(stopping.graceMs));
  opened.defer(() => registration?.closing());
  const replicas = watchReplicas({
    replicas: config.catalog.replicas ?? [],
    agentId: trust.agentId,
    identity: trust.identities.agent,
    onProofs: (claims) => core.prove(claims),
    ...(registration === undefined ? {} : { registration }),
    holder: () => {
      const status = core.catalog.writerStatus();
      // Whom the Lease names needs no other proof.
      if (leadership !== undefined) return undefined;
      return status?.isStandby === true ? status.fencedBy : undefined;
    },
    member: config.member.name,
    clock,
    log,
  });
  opened.use(replicas);
  doors.replicas = replicas;
  const { proxyWatch, exportWatch } = opened.use(
    openWatches(config, { trust, core, proxies, replicas, sources, disk, secrets, clock }),
  );
  doors.proxyWatch = proxyWatch;
  const view: AgentView = {
    config,
    core,
    trust,
    alarms,
    desk,
    federation,
    rotation,
    issuer,
    proxies,
    replicas,
    proxyWatch,
    exportWatch,
    engines,
    disk,
    secrets,
    ...(cluster === undefined ? {} : { cluster }),
    ...(leadership === undefined ? {} : { lease: leadership }),
    telemetry,
    clock,
    log,
    startedAtMs,
  };
  collectAgentMetrics(view);
  const http = opened.use(await serveHttp(view));
  await core.start(parts.signal ?? ending.signal);
  log.info({ address: http.url, charter: trust.charter().charter.number }, "Agent runs");

  const owned = opened.move();
  let ended: Promise<void> | undefined;
  const stop: RunningAgent["stop"] = ({ deadlineMs }) => {
    stopping.graceMs = Math.min(deadlineMs, streamGraceMs);
    ended ??= owned.disposeAsync();
    return ended;
  };
  return {
    member: config.member.name,
    xds: proxies.address,
    httpUrl: http.url,
    whenWarm: warm.promise,
    stop,
    [Symbol.asyncDispose]: () => stop({ deadlineMs: 0 }),
  };
}
