import type { MeshService } from "../../discovery/mesh-service.ts";
import type { MemberName } from "../../mesh/ids.ts";
import type { Level } from "../../mesh/locality.ts";
import { proxyZone } from "../../mesh/locality.ts";
import type { ServiceTarget } from "../../mesh/names.ts";
import type { Health } from "../../mesh/service.ts";
import { targetsOf } from "../targets.ts";
import type { Viewer } from "../viewer.ts";
import { levelLoads, localityShares } from "./level-loads.ts";
import { levelsFor } from "./levels.ts";
import type { PlannedHost, PlannedLevel, PlannedLocality } from "./plan.ts";
import { isHealthy } from "./plan.ts";

/** One line of `isthmus endpoints`: who is tried, and why at this place. */
export interface EndpointLine {
  readonly target: ServiceTarget;
  /** 0 is tried first. */
  readonly priority: number;
  readonly level: Level;
  readonly member: MemberName;
  readonly region: string;
  /** As proxies see it. */
  readonly zone: string;
  readonly address: string;
  readonly port: number;
  readonly health: Health;
  readonly via: "sidecar" | "plaintext" | "gateway" | "placeholder";
  readonly weight: number;
  /** 0..1 of the new requests of such a caller, while proxies see what the agent sees. */
  readonly share: number;
  readonly why: string;
}

/** In the order in which a sidecar there would try; from the very function that makes its endpoints. */
export function endpointOrder(service: MeshService, viewer: Viewer): EndpointLine[] {
  return targetsOf(service).flatMap((plan) => {
    const levels = levelsFor(plan, viewer);
    const loads = levelLoads(levels);
    return levels.flatMap((level, priority) =>
      linesOf(level, { target: plan.target, priority, load: loads[priority] ?? 0, viewer }),
    );
  });
}

interface LineContext {
  readonly target: ServiceTarget;
  readonly priority: number;
  /** Percent of the caller's requests. */
  readonly load: number;
  readonly viewer: Viewer;
}

function linesOf(level: PlannedLevel, context: LineContext): EndpointLine[] {
  const shares = localityShares(level);
  const lines = level.localities.flatMap((locality, index) => {
    const share = (context.load / 100) * (shares[index] ?? 0);
    return locality.hosts.map((host) => lineOf(host, { ...context, level, locality, share }));
  });
  // Stable: within one share the order of the assignment stays.
  return lines.sort((a, b) => b.share - a.share);
}

function lineOf(
  host: PlannedHost,
  at: LineContext & {
    readonly level: PlannedLevel;
    readonly locality: PlannedLocality;
    readonly share: number;
  },
): EndpointLine {
  const { target, priority, level, locality } = at;
  const healthy = locality.hosts.filter(isHealthy).reduce((sum, { weight }) => sum + weight, 0);
  return {
    target,
    priority,
    level: level.level,
    member: locality.member,
    region: locality.region,
    zone: locality.zone,
    address: host.address,
    port: host.port,
    health: host.health,
    via: viaOf(host),
    weight: host.weight,
    share: isHealthy(host) && healthy > 0 ? (at.share * host.weight) / healthy : 0,
    why: [whyLevel(at), whyHost(host)].filter((part) => part !== "").join(", "),
  };
}

function viaOf(host: PlannedHost): EndpointLine["via"] {
  if (host.via.t !== "direct") return host.via.t;
  return host.via.hasSidecar ? "sidecar" : "plaintext";
}

function whyLevel(at: {
  readonly level: PlannedLevel;
  readonly locality: PlannedLocality;
  readonly viewer: Viewer;
}): string {
  switch (at.level.level) {
    case "own-member":
      return at.locality.zone === proxyZone(at.viewer) ? "own zone" : "own member, other zone";
    case "same-region":
      return `same region ${at.locality.region}`;
    case "other-region":
      return `other region ${at.locality.region}, nearness ${at.level.rank}`;
  }
}

function whyHost(host: PlannedHost): string {
  if (host.via.t === "placeholder") return "stands for the unhealthy part of its member";
  if (host.isReturning && !isHealthy(host))
    return "answers again, not for long: no new connections";
  if (host.isInferredDead)
    return isHealthy(host) ? "held for dead, but nobody else is left" : "held for dead";
  switch (host.health) {
    case "healthy":
      return "";
    case "draining":
      return "draining: no new connections";
    case "unhealthy":
      return "not ready";
  }
}
