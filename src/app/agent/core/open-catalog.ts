import type { CatalogEvent } from "../../../discovery/follow/catalog-event.ts";
import { type Catalog, createCatalog } from "../../../discovery/io/catalog/catalog-client.ts";
import { realTimers } from "../../real-time.ts";
import { version } from "../../version.ts";
import type { AgentCoreOptions } from "./agent-core-options.ts";

/** The member's shard and those of others, signed and judged by what the agent trusts. */
export function openCatalog(
  options: AgentCoreOptions,
  onEvent: (event: CatalogEvent) => void,
): Catalog {
  const { config, trust, leadership } = options;
  return createCatalog({
    member: config.member.name,
    charter: trust.charter().charter,
    signedCharter: trust.charter().signed,
    stores: options.stores,
    sign: trust.identities.sign,
    verify: trust.verifier.verifySignature,
    checkClaim: trust.checkClaim,
    clock: options.clock,
    timers: realTimers,
    random: options.random,
    log: options.log,
    software: version,
    leaseMs: config.catalog.leaseMs,
    isReplica: config.catalog.replicas !== undefined,
    ...(leadership === undefined ? {} : { elect: leadership.elect }),
    snapshots: options.snapshots,
    onEvent,
  });
}
