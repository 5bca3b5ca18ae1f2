import type { GroupStanding } from "../../../discovery/policies/group-answer.ts";
import { createSelection, type Selection } from "../../../discovery/registration/selection.ts";
import type { ServiceId } from "../../../mesh/ids.ts";
import {
  type GroupDefinition,
  groupNamespace,
  readGroupId,
  type WorkloadGroup,
} from "../../../mesh/workload-group.ts";
import type { GroupAccount } from "../../../trust/join/join-grant.ts";

/** The workload groups of all sources, and the services that they stand behind. */
export class RegistrationGroups {
  readonly selection: Selection = createSelection();
  readonly #bySource = new Map<string, readonly WorkloadGroup[]>();

  /** All groups of one source; returns the services for which that makes a difference. */
  set(source: string, groups: readonly WorkloadGroup[]): ReadonlySet<ServiceId> {
    this.#bySource.set(source, groups);
    return this.selection.setGroups([...this.#bySource.values()].flat());
  }

  /** What becomes of a group of that source. */
  standingOf(source: string, id: string): GroupStanding {
    const group = this.#bySource.get(source)?.find((one) => one.id === id);
    if (group === undefined) return { t: "waiting" };
    const services = this.selection.servicesOf(group.id).length;
    return { t: "taken", generation: group.generation, services };
  }

  /** What a token for a VM of that group may buy. */
  find(id: string): GroupAccount {
    if (this.#bySource.size === 0) return { t: "unknown" };
    const known = readGroupId(id);
    const group = known === undefined ? undefined : this.selection.group(known);
    if (group === undefined) return { t: "absent" };
    const { serviceAccount } = group;
    const services = this.selection.servicesOf(group.id);
    return { t: "found", namespace: groupNamespace(group.id), serviceAccount, services };
  }

  /** Whether workloads of some group run as this account. */
  hasAccount(account: { readonly namespace: string; readonly serviceAccount: string }): boolean {
    return [...this.selection.groups()].some(
      ({ id, serviceAccount }) =>
        serviceAccount === account.serviceAccount && groupNamespace(id) === account.namespace,
    );
  }

  /** What its workloads are told. */
  definitionOf(group: WorkloadGroup): GroupDefinition {
    const { generation: _generation, labels: _labels, ...told } = group;
    return { ...told, services: this.selection.servicesOf(group.id) };
  }
}
