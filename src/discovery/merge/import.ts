import type { MemberName } from "../../mesh/ids.ts";
import type { Finding, LocalService, ServicePort, ServiceType } from "../../mesh/service.ts";
import type { ServiceRecord } from "../shards/records.ts";

export interface Offer {
  readonly member: MemberName;
  readonly record: ServiceRecord;
}

/** What a service is when several members define it. */
export interface Definition {
  readonly type: ServiceType;
  readonly ports: readonly ServicePort[];
  readonly conflicts: readonly Finding[];
}

/**
 * Whether `cluster.local` reaches the remotes too. A service that is only local keeps that name to
 * itself; one that is exported means the same everywhere.
 */
export function isLocalNameShared(local: LocalService | undefined): boolean {
  return local === undefined || local.exported !== undefined;
}

/** The local definition wins, then the oldest export. Source: MCS API, conflict resolution. */
export function definitionOf(
  local: LocalService | undefined,
  offers: readonly Offer[],
): Definition | undefined {
  const [only] = offers;
  // The most of them by far, in a large mesh.
  if (local === undefined && offers.length === 1 && only?.record.ports.length === 1) {
    return { type: only.record.type, ports: only.record.ports, conflicts: [] };
  }
  const ranked = [...offers].sort(byAge);
  const first = local ?? ranked[0]?.record;
  if (first === undefined) return undefined;
  const ports = new Map(first.ports.map((port) => [port.name, port]));
  const conflicts: Finding[] = [];
  for (const { member, record } of ranked) {
    const wrong = [
      ...(record.type === first.type ? [] : [`type ${record.type} instead of ${first.type}`]),
      ...record.ports.flatMap((port) => addPort(ports, port)),
    ];
    if (wrong.length === 0) continue;
    const message = `${member} defines it otherwise: ${wrong.join(", ")}`;
    conflicts.push({
      code: "CATALOG_PORT_CONFLICT",
      severity: "warning",
      subject: first.id,
      message,
    });
  }
  return { type: first.type, ports: [...ports.values()], conflicts };
}

function byAge(left: Offer, right: Offer): number {
  const ageMs = left.record.createdAtMs - right.record.createdAtMs;
  if (ageMs !== 0) return ageMs;
  return left.member < right.member ? -1 : 1;
}

/** Adds a port that nobody before named; says what differs when somebody did. */
function addPort(ports: Map<string, ServicePort>, port: ServicePort): readonly string[] {
  const known = ports.get(port.name);
  if (known === undefined) {
    // Two names for one number: proxies listen by number, so the first keeps it.
    const taken = [...ports.values()].find((one) => one.port === port.port);
    if (taken !== undefined && taken.protocol === port.protocol) {
      return [`port ${port.port} is named "${port.name}" instead of "${taken.name}"`];
    }
    ports.set(port.name, port);
    return [];
  }
  const isSame = known.port === port.port && known.protocol === port.protocol;
  return isSame ? [] : [`port "${port.name}" is ${port.port}/${port.protocol}`];
}
