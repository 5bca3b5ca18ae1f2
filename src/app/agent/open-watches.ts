import type { Clock } from "../../mesh/ports.ts";
import type { AgentConfig } from "../config/config.ts";
import type { AgentCore } from "./core/agent-core.ts";
import type { DiskWatch } from "./files/disk-watch.ts";
import type { SecretWatch } from "./files/secret-watch.ts";
import type { AgentProxies } from "./proxies/agent-proxies.ts";
import { createProxyWatch, type ProxyWatch } from "./proxies/proxy-watch.ts";
import type { ReplicaWatch } from "./replicas/replica-watch.ts";
import { createExportWatch, type ExportWatch } from "./sidecars/export-watch.ts";
import { createKnownPods } from "./sidecars/known-pods.ts";
import type { OpenedSources } from "./sources/open-sources.ts";
import type { AgentTrust } from "./trust/agent-trust.ts";
import { exportRefusal } from "./trust/export-refusal.ts";

export interface AgentWatches extends Disposable {
  readonly proxyWatch: ProxyWatch;
  readonly exportWatch: ExportWatch;
}

// Half a minute counts as gone: a few looks in it are enough.
const lookMs = 5000;

/** Looks every few seconds for what nobody tells: proxies that are missing, files that changed. */
export function openWatches(
  config: AgentConfig,
  parts: {
    readonly trust: AgentTrust;
    readonly core: AgentCore;
    readonly proxies: AgentProxies;
    readonly replicas: ReplicaWatch;
    readonly sources: OpenedSources;
    readonly disk: DiskWatch;
    readonly secrets: SecretWatch;
    readonly clock: Clock;
  },
): AgentWatches {
  const { trust, core, proxies, replicas, sources, disk, secrets, clock } = parts;
  const pods = createKnownPods(sources.clusters.map(({ source }) => source.cluster));
  const proxyWatch = createProxyWatch({
    hasGateway: config.gateway.addresses.length > 0 || config.gateway.service !== undefined,
    servedElsewhere: () => replicas.served(),
    isWarm: () => core.isWarm(),
    services: () => core.local.services.values(),
    proxies: () => proxies.proxies(),
    isInjected: pods.isInjected,
    clock,
  });
  const exportWatch = createExportWatch({
    isWarm: () => core.isWarm(),
    services: () => core.local.services.values(),
    sidecarOf: pods.sidecarOf,
    refusalOf: (namespace) => exportRefusal(trust, { self: config.member.name, namespace }),
    clock,
  });
  const watching = setInterval(() => {
    proxyWatch.look();
    exportWatch.look();
    void disk.look();
    void secrets.look();
  }, lookMs);
  return { proxyWatch, exportWatch, [Symbol.dispose]: () => clearInterval(watching) };
}
