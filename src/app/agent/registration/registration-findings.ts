import type { Registered } from "../../../discovery/registration/registered.ts";
import { targetPorts } from "../../../discovery/registration/selection.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import type { Endpoint, Finding, LocalService } from "../../../mesh/service.ts";
import type { WorkloadGroup } from "../../../mesh/workload-group.ts";

export interface RegistrationState {
  readonly groups: readonly WorkloadGroup[];
  readonly servicesOf: (group: WorkloadGroup) => readonly ServiceId[];
  readonly service: (id: ServiceId) => LocalService | undefined;
  /** Kept as they were, because most were lost at once. */
  readonly held: readonly Registered[];
  /** Registered, with no sidecar that was proven to stand before them. */
  readonly unproven: ReadonlyMap<ServiceId, readonly Endpoint[]>;
}

const maxNames = 5;

/** What an operator should know of workloads that register themselves. */
export function registrationFindings(state: RegistrationState): readonly Finding[] {
  return [
    ...state.groups.flatMap((group) => groupFindings(group, state)),
    ...heldFindings(state.held),
    ...[...state.unproven].flatMap(([id, endpoints]) => unprovenFindings(id, endpoints)),
  ];
}

function groupFindings(group: WorkloadGroup, state: RegistrationState): readonly Finding[] {
  const services = state.servicesOf(group);
  if (services.length === 0) {
    const labels = Object.entries(group.labels).map(([key, value]) => `${key}=${value}`);
    const truth =
      labels.length === 0 ? "it has no labels" : `no Service selects ${labels.join(",")}`;
    const message = `${truth} in its namespace: its workloads stand behind nothing; give it the labels of a Service's selector`;
    return [{ code: "REGISTRATION_GROUP_UNUSED", severity: "warning", subject: group.id, message }];
  }
  return services.flatMap((id): readonly Finding[] => {
    const service = state.service(id);
    if (service === undefined || Object.keys(targetPorts(service, group)).length > 0) return [];
    const message = `no port of ${id} leads to one of the group's: name the group's ports as the Service's targetPort, or as its ports`;
    return [
      { code: "REGISTRATION_PORT_UNSERVED", severity: "warning", subject: group.id, message },
    ];
  });
}

function heldFindings(held: readonly Registered[]): readonly Finding[] {
  if (held.length === 0) return [];
  const groups = [...new Set(held.map(({ group }) => group))].sort();
  return groups.map((group) => {
    const own = held.filter((entry) => entry.group === group);
    return {
      code: "REGISTRATION_HELD",
      severity: "error",
      subject: group,
      message: `${own.length} of its workloads were lost at once with most others (${namesOf(own.map(({ name }) => name))}); they stay in use as they were until they come back: look at the network between them and this agent`,
    };
  });
}

function unprovenFindings(id: ServiceId, endpoints: readonly Endpoint[]): readonly Finding[] {
  if (endpoints.length === 0) return [];
  const shown = endpoints.map(({ workload, address }) => `${workload} at ${address}`);
  return [
    {
      code: "REGISTRATION_UNPROVEN",
      severity: "warning",
      subject: id,
      message: `${endpoints.length} registered workloads get no calls, for no sidecar stands before their ports (${namesOf(shown)}); the inbound.endpoint of their sidecar.yaml has to be that address and the group's port`,
    },
  ];
}

function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, maxNames).join(", ");
  return names.length > maxNames ? `${shown}, …` : shown;
}
