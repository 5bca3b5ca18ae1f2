import type { ServiceId } from "../../../mesh/ids.ts";
import type { JsonMap } from "../../../mesh/json-map.ts";
import type { LocalService } from "../../../mesh/service.ts";
import type { WorkloadGroup } from "../../../mesh/workload-group.ts";
import type { ImportPolicy } from "../../policies/import-policy.ts";
import type { SourceChange } from "../../source.ts";
import { buildService } from "../inventory/service-build.ts";
import { isServicePart, type ObjectKey } from "../objects/kube-objects.ts";
import type { SourceFinding } from "../source-finding.ts";
import type { FollowChange } from "./follower.ts";
import type { WatchedKind } from "./kinds.ts";
import { createNamedFacts } from "./named-facts.ts";
import type { KubeNamespace, KubeNode } from "./nodes.ts";
import { readNamespace, readNode } from "./nodes.ts";
import type { PodBook } from "./pod-book.ts";
import { createPodBook } from "./pod-book.ts";
import { readPod } from "./pods.ts";
import { readApiObject } from "./read-api-object.ts";
import { createServiceParts } from "./service-parts.ts";

/**
 * All that is followed of one cluster and the services that come of it. A change costs what the changed
 * services cost, not what the cluster holds.
 */
export interface ClusterInventory {
  readonly pods: PodBook;
  readonly nodes: ReadonlyMap<string, KubeNode>;
  readonly namespaces: ReadonlyMap<string, KubeNamespace>;
  /** Objects are taken as they are read; nothing of `change` is kept. */
  readonly take: (kind: WatchedKind, change: FollowChange) => void;
  /** What changed in services and policies since the last call. */
  readonly takeChange: () => SourceChange;
  readonly findings: () => readonly SourceFinding[];
}

/** How objects of one kind are taken in. */
interface Intake {
  readonly put: (key: string, object: JsonMap) => void;
  readonly remove: (key: string) => void;
}

export function createClusterInventory(): ClusterInventory {
  const accounts = createNamedFacts();
  const addresses = createNamedFacts();
  const zones = createNamedFacts();
  const parts = createServiceParts({ accounts, addresses, zones });
  const pods = createPodBook();
  const nodes = new Map<string, KubeNode>();
  const namespaces = new Map<string, KubeNamespace>();
  /** By what they are about: an object, or a service. */
  const findings = new Map<string, readonly SourceFinding[]>();
  const contents = new Map<ServiceId, string>();
  const policies = new Map<string, ImportPolicy>();
  let arePoliciesChanged = false;
  const groups = new Map<string, WorkloadGroup>();
  let areGroupsChanged = false;

  const report = (about: string, found: readonly SourceFinding[]): void => {
    if (found.length === 0) findings.delete(about);
    else findings.set(about, found);
  };

  const ofServices = (kind: WatchedKind): Intake => {
    const keyOf = (key: string): ObjectKey => `${kind}/${key}`;
    return {
      put(key, object) {
        const reading = readApiObject(keyOf(key), object);
        report(keyOf(key), reading.t === "foreign" ? [] : reading.findings);
        if (reading.t === "object" && isServicePart(reading.object)) parts.put(reading.object);
        if (reading.t === "foreign") parts.remove(keyOf(key));
      },
      remove(key) {
        report(keyOf(key), []);
        parts.remove(keyOf(key));
      },
    };
  };

  const intakes: Readonly<Record<WatchedKind, Intake>> = {
    Service: ofServices("Service"),
    EndpointSlice: ofServices("EndpointSlice"),
    ServiceExport: ofServices("ServiceExport"),
    ImportPolicy: {
      put(name, object) {
        const key = `ImportPolicy/${name}`;
        const reading = readApiObject(key, object);
        report(key, reading.t === "foreign" ? [] : reading.findings);
        if (reading.t !== "object" || reading.object.t !== "import-policy") return;
        policies.set(name, reading.object.policy);
        arePoliciesChanged = true;
      },
      remove(name) {
        report(`ImportPolicy/${name}`, []);
        if (policies.delete(name)) arePoliciesChanged = true;
      },
    },
    WorkloadGroup: {
      put(name, object) {
        const key = `WorkloadGroup/${name}`;
        const reading = readApiObject(key, object);
        report(key, reading.t === "foreign" ? [] : reading.findings);
        if (reading.t !== "object" || reading.object.t !== "workload-group") return;
        groups.set(name, reading.object.group);
        areGroupsChanged = true;
      },
      remove(name) {
        report(`WorkloadGroup/${name}`, []);
        if (groups.delete(name)) areGroupsChanged = true;
      },
    },
    Pod: {
      put(key, object) {
        const pod = readPod(key, object);
        if (pod === undefined || !pods.put(pod)) return;
        parts.touch(accounts.set(key, pod.serviceAccount));
        parts.touch(addresses.set(key, pod.addresses.join()));
      },
      remove(key) {
        pods.remove(key);
        accounts.unset(key);
        addresses.unset(key);
      },
    },
    Node: {
      put(key, object) {
        const node = readNode(key, object);
        nodes.set(key, node);
        parts.touch(zones.set(key, node.zone));
      },
      remove(key) {
        nodes.delete(key);
        zones.unset(key);
      },
    },
    Namespace: {
      put: (key, object) => void namespaces.set(key, readNamespace(key, object)),
      remove: (key) => void namespaces.delete(key),
    },
  };

  const rebuild = (id: ServiceId): LocalService | "same" | undefined => {
    const { local, content, findings: found } = buildService(parts.of(id));
    report(id, found);
    if (local === undefined || content === undefined) return undefined;
    const isSame = contents.get(id) === content;
    contents.set(id, content);
    return isSame ? "same" : local;
  };

  return {
    pods,
    nodes,
    namespaces,
    take(kind, { puts, removed }) {
      const intake = intakes[kind];
      for (const { key, object } of puts) intake.put(key, object as JsonMap);
      for (const key of removed) intake.remove(key);
    },
    takeChange() {
      const upserts: LocalService[] = [];
      const removed: ServiceId[] = [];
      for (const id of parts.takeChanged()) {
        const result = rebuild(id);
        if (result === undefined) {
          if (contents.delete(id)) removed.push(id);
        } else if (result !== "same") upserts.push(result);
      }
      const change: SourceChange = {
        upserts,
        removed,
        ...(arePoliciesChanged ? { policies: [...policies.values()] } : {}),
        ...(areGroupsChanged ? { groups: [...groups.values()] } : {}),
      };
      arePoliciesChanged = false;
      areGroupsChanged = false;
      return change;
    },
    findings: () => [...findings.values()].flat(),
  };
}
