import type { ServiceId } from "../../../mesh/ids.ts";
import type { LocalService } from "../../../mesh/service.ts";
import type { SourceChange } from "../../source.ts";
import type { KubeEndpoint, KubeObject, KubeSlice, ObjectKey } from "../kube-objects.ts";
import { serviceOf } from "../kube-objects.ts";
import type { SourcedObject } from "../manifest.ts";
import type { Built } from "../service-build.ts";
import { buildService } from "../service-build.ts";
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
  /** What changed in the services since the last call. */
  readonly takeChange: () => SourceChange;
  readonly findings: () => readonly SourceFinding[];
}

export function createClusterInventory(): ClusterInventory {
  const objects = new Map<ObjectKey, SourcedObject>();
  const keysOf = new Map<ServiceId, Set<ObjectKey>>();
  const changed = new Set<ServiceId>();
  const built = new Map<ServiceId, Omit<Built, "findings">>();
  const findings = new Map<string, readonly SourceFinding[]>();
  const accounts = createNamedFacts();
  const zones = createNamedFacts();
  const pods = createPodBook();
  const nodes = new Map<string, KubeNode>();
  const namespaces = new Map<string, KubeNamespace>();

  const setFindings = (about: string, found: readonly SourceFinding[]): void => {
    if (found.length === 0) findings.delete(about);
    else findings.set(about, found);
  };

  const forEachName = (
    object: KubeObject,
    tell: (facts: typeof accounts, name: string) => void,
  ): void => {
    if (object.t !== "slice") return;
    for (const endpoint of object.endpoints) {
      if (endpoint.pod !== undefined) tell(accounts, podKey(object, endpoint.pod));
      if (endpoint.zone === "" && endpoint.node !== undefined) tell(zones, endpoint.node);
    }
  };

  const withdraw = (key: ObjectKey): void => {
    const before = objects.get(key)?.object;
    if (before === undefined) return;
    objects.delete(key);
    keysOf.get(serviceOf(before))?.delete(key);
    changed.add(serviceOf(before));
    forEachName(before, (facts, name) => facts.release(name, key));
  };

  const putObject = (key: ObjectKey, raw: object): void => {
    const reading = readApiObject(key, raw as Readonly<Record<string, unknown>>);
    setFindings(key, reading.t === "foreign" ? [] : reading.findings);
    if (reading.t === "invalid") return;
    const before = objects.get(key)?.object;
    if (reading.t === "object") {
      const { object } = reading;
      const service = serviceOf(object);
      // Named anew before the old names are let go, or what is known of them would be forgotten.
      forEachName(object, (facts, name) => facts.use(name, key));
      if (before !== undefined) releaseOthers(before, object);
      if (before !== undefined && serviceOf(before) !== service) {
        keysOf.get(serviceOf(before))?.delete(key);
        changed.add(serviceOf(before));
      }
      objects.set(key, { object, origin: { file: key, line: 0 }, firstSeenMs: 0 });
      const keys = keysOf.get(service) ?? new Set();
      keysOf.set(service, keys.add(key));
      changed.add(service);
    } else withdraw(key);
  };

  const releaseOthers = (before: KubeObject, after: KubeObject): void => {
    const kept = new Map([
      [accounts, new Set<string>()],
      [zones, new Set<string>()],
    ]);
    forEachName(after, (facts, name) => kept.get(facts)?.add(name));
    forEachName(before, (facts, name) => {
      if (kept.get(facts)?.has(name) !== true) facts.release(name, before.key);
    });
  };

  const touchSlices = (slices: Iterable<ObjectKey>): void => {
    for (const key of slices) {
      const object = objects.get(key)?.object;
      if (object !== undefined) changed.add(serviceOf(object));
    }
  };

  const put = (kind: WatchedKind, key: string, raw: object): void => {
    const map = raw as Readonly<Record<string, unknown>>;
    switch (kind) {
      case "Pod": {
        const pod = readPod(key, map);
        if (pod === undefined || !pods.put(pod)) return;
        return touchSlices(accounts.set(key, pod.serviceAccount));
      }
      case "Node": {
        const node = readNode(key, map);
        nodes.set(key, node);
        return touchSlices(zones.set(key, node.zone));
      }
      case "Namespace":
        namespaces.set(key, readNamespace(key, map));
        return;
      default:
        return putObject(`${kind}/${key}`, raw);
    }
  };

  const remove = (kind: WatchedKind, key: string): void => {
    switch (kind) {
      case "Pod":
        pods.remove(key);
        return accounts.unset(key);
      case "Node":
        nodes.delete(key);
        return zones.unset(key);
      case "Namespace":
        namespaces.delete(key);
        return;
      default:
        setFindings(`${kind}/${key}`, []);
        return withdraw(`${kind}/${key}`);
    }
  };

  const resolved = (found: SourcedObject): SourcedObject => {
    const { object } = found;
    if (object.t !== "slice") return found;
    const endpoints = object.endpoints.map((endpoint) => {
      const pod = endpoint.pod === undefined ? "" : podKey(object, endpoint.pod);
      return resolvedEndpoint(endpoint, {
        serviceAccount: accounts.get(pod),
        zone: zones.get(endpoint.node ?? ""),
      });
    });
    return { ...found, object: { ...object, endpoints } };
  };

  const rebuild = (id: ServiceId): LocalService | "removed" | undefined => {
    const before = built.get(id);
    const keys = [...(keysOf.get(id) ?? [])].sort();
    const parts = keys.flatMap((key) => objects.get(key) ?? []).map(resolved);
    const { findings: found, ...next } = buildService(parts);
    setFindings(id, found);
    if (next.local === undefined) built.delete(id);
    else built.set(id, next);
    if (keys.length === 0) keysOf.delete(id);
    if (next.local === undefined) return before?.local === undefined ? undefined : "removed";
    return next.content === before?.content ? undefined : next.local;
  };

  return {
    pods,
    nodes,
    namespaces,
    take(kind, change) {
      for (const { key, object } of change.puts) put(kind, key, object);
      for (const key of change.removed) remove(kind, key);
    },
    takeChange() {
      const upserts: LocalService[] = [];
      const removed: ServiceId[] = [];
      for (const id of changed) {
        const result = rebuild(id);
        if (result === "removed") removed.push(id);
        else if (result !== undefined) upserts.push(result);
      }
      changed.clear();
      return { upserts, removed };
    },
    findings: () => [...findings.values()].flat(),
  };
}

function podKey(slice: KubeSlice, pod: string): string {
  return `${slice.service.slice(0, slice.service.indexOf("/"))}/${pod}`;
}

function resolvedEndpoint(
  endpoint: KubeEndpoint,
  known: { readonly serviceAccount: string | undefined; readonly zone: string | undefined },
): KubeEndpoint {
  const { serviceAccount, zone = "" } = known;
  return {
    ...endpoint,
    zone: endpoint.zone === "" ? zone : endpoint.zone,
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
  };
}
