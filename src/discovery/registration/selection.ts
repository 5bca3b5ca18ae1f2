import { type Namespace, namespaceOf, type ServiceId } from "../../mesh/ids.ts";
import type { LocalService, ServicePort, WorkloadSelector } from "../../mesh/service.ts";
import {
  type GroupId,
  type GroupPort,
  groupNamespace,
  type WorkloadGroup,
} from "../../mesh/workload-group.ts";

/** Which groups' workloads stand behind which services: of one namespace, by labels, as with pods. */
export interface Selection {
  /** Undefined: the service is gone, or selects nothing. */
  readonly setService: (id: ServiceId, selects: WorkloadSelector | undefined) => void;
  /** All groups there are; returns the services for which that makes a difference. */
  readonly setGroups: (groups: readonly WorkloadGroup[]) => ReadonlySet<ServiceId>;
  readonly group: (id: GroupId) => WorkloadGroup | undefined;
  readonly groups: () => IterableIterator<WorkloadGroup>;
  readonly groupsOf: (service: ServiceId) => readonly WorkloadGroup[];
  readonly servicesOf: (group: GroupId) => readonly ServiceId[];
}

export function createSelection(): Selection {
  const groups = new Map<GroupId, WorkloadGroup>();
  const groupsIn = new Map<Namespace, readonly WorkloadGroup[]>();
  const selectors = new Map<Namespace, Map<ServiceId, WorkloadSelector>>();

  const selectorsBeside = (group: GroupId): ReadonlyMap<ServiceId, WorkloadSelector> =>
    selectors.get(groupNamespace(group)) ?? new Map<ServiceId, WorkloadSelector>();
  const servicesFor = (group: WorkloadGroup): readonly ServiceId[] =>
    [...selectorsBeside(group.id)].flatMap(([id, { labels }]) =>
      doesSelect(labels, group.labels) ? [id] : [],
    );

  return {
    setService: (id, selects) => {
      const namespace = namespaceOf(id);
      const known = selectors.get(namespace);
      if (selects !== undefined) {
        selectors.set(
          namespace,
          (known ?? new Map<ServiceId, WorkloadSelector>()).set(id, selects),
        );
      } else if (known?.delete(id) === true && known.size === 0) selectors.delete(namespace);
    },
    setGroups: (all) => {
      const touched = new Set<ServiceId>();
      const next = new Map(all.map((group) => [group.id, group]));
      for (const [id, before] of groups) {
        if (isSame(before, next.get(id))) continue;
        for (const service of servicesFor(before)) touched.add(service);
      }
      for (const group of next.values()) {
        if (isSame(group, groups.get(group.id))) continue;
        for (const service of servicesFor(group)) touched.add(service);
      }
      groups.clear();
      groupsIn.clear();
      for (const group of next.values()) {
        groups.set(group.id, group);
        const namespace = groupNamespace(group.id);
        groupsIn.set(namespace, [...(groupsIn.get(namespace) ?? []), group]);
      }
      return touched;
    },
    group: (id) => groups.get(id),
    groups: () => groups.values(),
    groupsOf: (service) => {
      const selects = selectors.get(namespaceOf(service))?.get(service);
      if (selects === undefined) return [];
      const beside = groupsIn.get(namespaceOf(service)) ?? [];
      return beside.filter(({ labels }) => doesSelect(selects.labels, labels));
    },
    servicesOf: (id) => {
      const group = groups.get(id);
      return group === undefined ? [] : servicesFor(group);
    },
  };
}

function isSame(a: WorkloadGroup, b: WorkloadGroup | undefined): boolean {
  return b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

/** Without a label to look for a Service selects nothing. Source: Kubernetes API reference, Service v1. */
function doesSelect(
  wanted: WorkloadSelector["labels"],
  labels: Readonly<Record<string, string>>,
): boolean {
  const all = Object.entries(wanted);
  return (
    all.length > 0 &&
    all.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
  );
}

/**
 * The group's port for each of the service's, by the service port's name: the one that `targetPort` names or
 * numbers, else the one of the same name. Pods and VMs behind one service need not listen on the same ports.
 */
export function targetPorts(
  service: Pick<LocalService, "ports" | "selects">,
  group: Pick<WorkloadGroup, "ports">,
): Readonly<Record<string, number>> {
  const found = service.ports.flatMap((port) => {
    const target = targetOf(port, { targets: service.selects?.targets ?? {}, ports: group.ports });
    return target === undefined ? [] : [[port.name, target.port] as const];
  });
  return Object.fromEntries(found);
}

function targetOf(
  { name, port, protocol }: ServicePort,
  of: { readonly targets: WorkloadSelector["targets"]; readonly ports: readonly GroupPort[] },
): GroupPort | undefined {
  const target = of.targets[name] ?? port;
  const ports = of.ports.filter((one) => one.protocol === protocol);
  return (
    ports.find((one) => one.name === target || one.port === target) ??
    ports.find((one) => one.name === name)
  );
}
