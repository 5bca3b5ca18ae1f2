import type { Clock, Log } from "../../../mesh/ports.ts";
import type { AgentConfig } from "../../config/config.ts";
import type { AgentCore } from "../core/agent-core.ts";
import type { DiskWatch } from "../files/disk-watch.ts";
import type { ProxyAnswers } from "../policies/import-policies.ts";
import type { OpenedSources } from "../sources/open-sources.ts";
import type { AgentTrust } from "../trust/agent-trust.ts";
import { Registration } from "./registration.ts";

/** Undefined: the sources of this agent name all workloads. */
export async function openRegistration(
  config: AgentConfig,
  parts: {
    readonly trust: AgentTrust;
    readonly disk: DiskWatch;
    readonly sources: OpenedSources;
    /** Not before it is called back: it is made of this. */
    readonly core: () => AgentCore;
    readonly answers: () => ProxyAnswers;
    readonly clock: Clock;
    readonly log: Log;
  },
): Promise<Registration | undefined> {
  if (!config.sources.some(({ t }) => t === "registration")) return undefined;
  const { trust, disk, sources, core, answers, clock, log } = parts;
  const self = config.member.name;
  return await Registration.open({
    snapshotDir: config.catalog.snapshotDir,
    watchWrite: disk.watch,
    hasReplicas: config.catalog.replicas !== undefined,
    trustDomain: () => trust.view().ownTrustDomain,
    checkAddress: (address) => trust.checkClaim(self, { t: "address", address }),
    isPods: (address) =>
      sources.clusters.some(({ source }) => source.cluster.pods.byAddress(address) !== undefined),
    onServices: (ids) => core().touchServices(ids),
    service: (id) => core().local.services.get(id),
    unproven: () => core().local.unproven(),
    proxies: { isBuilt: () => core().isBuilt(), unansweredBy: () => answers().unanswered },
    clock,
    log,
  });
}
