import type { RemoteExport } from "../../discovery/mesh-service.ts";
import { levelFor } from "../../mesh/locality.ts";
import type { TargetPlan } from "../targets.ts";
import type { Viewer } from "../viewer.ts";
import { boundLevel, boundWeights } from "./bounds.ts";
import { directLocalities, ownLocalities } from "./direct-hosts.ts";
import { gatewayLocalities } from "./gateway-hosts.ts";
import type { PlannedHost, PlannedLevel, PlannedLocality } from "./plan.ts";
import { addressKey, hostsOf, isHealthy } from "./plan.ts";

/** Who offers one port of a service to the viewer. */
export type Offer = Pick<TargetPlan, "port" | "local" | "remotes">;

// Envoy takes priorities 0..128; members beyond that share the last one.
const maxLevels = 128;

/**
 * The one answer to "who is tried, in which order, with what weight": own member, then other members
 * of its region, then other regions, nearest first. Levels have no gap and no address occurs twice.
 */
export function levelsFor(offer: Offer, viewer: Viewer): PlannedLevel[] {
  const candidates = [...ownCandidates(offer, viewer), ...remoteCandidates(offer, viewer)];
  const levels = mergeTail(grouped(candidates));
  const isServed = levels.some((level) => hostsOf(level).some(isHealthy));
  const revived = isServed ? levels : levels.map(revive);
  return withoutRepeats(revived).map(boundLevel).map(boundWeights);
}

function ownCandidates(offer: Offer, viewer: Viewer): PlannedLevel[] {
  if (offer.local === undefined) return [];
  const localities = ownLocalities(offer.local, { port: offer.port, viewer });
  return [{ level: "own-member", rank: 0, localities }];
}

function remoteCandidates(offer: Offer, viewer: Viewer): PlannedLevel[] {
  const remotes = [...offer.remotes].sort((a, b) => (a.member < b.member ? -1 : 1));
  const claims = claimsOf(offer, { viewer, remotes });
  return remotes.map((remote, index) => {
    const level = levelFor(viewer, remote);
    const direct = isDirect(remote, { viewer, claims }) ? directLocalities(remote, offer.port) : [];
    const localities = direct.length > 0 ? direct : gatewayLocalities(remote, { index: index + 1 });
    return { level, rank: level === "other-region" ? remote.rank : 0, localities };
  });
}

/** Members of one network that claim the same address all go through their gateways. */
function isDirect(
  remote: RemoteExport,
  seen: { readonly viewer: Viewer; readonly claims: ReadonlyMap<string, number> },
): boolean {
  const isNear = remote.network === seen.viewer.network && remote.endpoints.length > 0;
  return isNear && remote.endpoints.every((endpoint) => seen.claims.get(endpoint.address) === 1);
}

/** How many members of the viewer's network say that an address is theirs. */
function claimsOf(
  offer: Offer,
  near: { readonly viewer: Viewer; readonly remotes: readonly RemoteExport[] },
): ReadonlyMap<string, number> {
  const claims = new Map<string, number>();
  const neighbours = near.remotes.filter((remote) => remote.network === near.viewer.network);
  for (const { endpoints } of [
    ...neighbours,
    ...(offer.local === undefined ? [] : [offer.local]),
  ]) {
    for (const address of new Set(endpoints.map((endpoint) => endpoint.address))) {
      claims.set(address, (claims.get(address) ?? 0) + 1);
    }
  }
  return claims;
}

const levelOrder = { "own-member": 0, "same-region": 1, "other-region": 2 } as const;

function grouped(candidates: readonly PlannedLevel[]): PlannedLevel[] {
  const groups = new Map<string, PlannedLevel>();
  for (const candidate of candidates) {
    const key = `${candidate.level} ${candidate.rank}`;
    const localities = [...(groups.get(key)?.localities ?? []), ...candidate.localities];
    groups.set(key, { ...candidate, localities });
  }
  return [...groups.values()]
    .filter((level) => hostsOf(level).length > 0)
    .sort((a, b) => levelOrder[a.level] - levelOrder[b.level] || a.rank - b.rank);
}

function mergeTail(levels: readonly PlannedLevel[]): PlannedLevel[] {
  const tail = levels.slice(maxLevels - 1);
  const [first] = tail;
  if (first === undefined) return [...levels];
  const last = { ...first, localities: tail.flatMap((level) => [...level.localities]) };
  return [...levels.slice(0, maxLevels - 1), last];
}

/**
 * Envoy takes the first of two equal addresses and forgets the other's weight and priority, so the
 * choice is made here: a healthy one before a dead one, then the nearer.
 */
function withoutRepeats(levels: readonly PlannedLevel[]): PlannedLevel[] {
  const chosen = new Map<string, PlannedHost>();
  for (const host of levels.flatMap(hostsOf)) {
    const earlier = chosen.get(addressKey(host));
    if (earlier === undefined || (isHealthy(host) && !isHealthy(earlier))) {
      chosen.set(addressKey(host), host);
    }
  }
  const keep = (host: PlannedHost): boolean => chosen.get(addressKey(host)) === host;
  const unique = levels.map((level) => mapHosts(level, (hosts) => hosts.filter(keep)));
  return withoutEmpty(unique.map(withoutOrphans));
}

/** A placeholder stands for the missing part of something; alone it would only drag its level down. */
function withoutOrphans(level: PlannedLevel): PlannedLevel {
  const serving = new Set(
    level.localities.filter(({ hosts }) => hosts.some(isHealthy)).map(({ member }) => member),
  );
  const localities = level.localities.map((locality) => ({
    ...locality,
    hosts: locality.hosts.filter(
      ({ via }) => via.t !== "placeholder" || serving.has(locality.member),
    ),
  }));
  return { ...level, localities };
}

/**
 * Inferred death never takes a service's last usable endpoints. A member's state knows all of a
 * service; this looks at one port as one viewer sees it, which can be narrower.
 */
function revive(level: PlannedLevel): PlannedLevel {
  return mapHosts(level, (hosts) =>
    hosts.map((host) => (host.isInferredDead ? { ...host, health: "healthy" } : host)),
  );
}

function mapHosts(
  level: PlannedLevel,
  change: (hosts: readonly PlannedHost[]) => readonly PlannedHost[],
): PlannedLevel {
  const localities = level.localities.map((locality) => ({
    ...locality,
    hosts: change(locality.hosts),
  }));
  return { ...level, localities };
}

function withoutEmpty(levels: readonly PlannedLevel[]): PlannedLevel[] {
  const isFilled = (locality: PlannedLocality): boolean => locality.hosts.length > 0;
  return levels
    .map((level) => ({ ...level, localities: level.localities.filter(isFilled) }))
    .filter((level) => level.localities.length > 0);
}
