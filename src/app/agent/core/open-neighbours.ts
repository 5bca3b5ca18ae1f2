import type { Catalog } from "../../../discovery/io/catalog/catalog-client.ts";
import type { AgentCoreOptions } from "./agent-core-options.ts";
import { Neighbours, type NeighboursOptions } from "./neighbours.ts";

/** The other members: their gateways, leases and states. */
export function openNeighbours(
  { config, trust, clock, random, log, resolve }: AgentCoreOptions,
  {
    catalog,
    onChange,
  }: { readonly catalog: Catalog; readonly onChange: NeighboursOptions["onChange"] },
): Neighbours {
  return new Neighbours({
    self: config.member.name,
    charter: () => trust.charter().charter,
    recordOf: (member) => catalog.shard(member)?.memberRecord(),
    checkClaim: trust.checkClaim,
    identity: trust.identities.agent,
    verifyPeer: trust.verifier.verifyPeer,
    clock,
    random,
    log,
    expireAfterMs: config.catalog.expireAfterMs,
    ...(resolve === undefined ? {} : { resolve }),
    onChange,
  });
}
