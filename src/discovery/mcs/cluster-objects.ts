import type { ServiceId } from "../../mesh/ids.ts";
import { namespaceOf, serviceIdOf } from "../../mesh/ids.ts";
import { asMap, type JsonMap, mapIn, textIn } from "../../mesh/json-map.ts";
import type { FollowChange } from "../sources/kubernetes/follower.ts";
import { compactBody } from "./compact-body.ts";
import type { ExportedService } from "./conditions.ts";
import type { KubeBody } from "./kube-body.ts";
import { derivedServiceName, isDerivedName, isForeign, serviceNameLabel } from "./names.ts";

export type McsKind = "Namespace" | "Service" | "ServiceExport" | "ServiceImport" | "EndpointSlice";

/** What stands in this cluster about one service. */
export interface ServiceObjects {
  readonly hasNamespace: boolean;
  readonly service: ExportedService;
  readonly exported: KubeBody | undefined;
  readonly imported: KubeBody | undefined;
  readonly derived: KubeBody | undefined;
  readonly slices: readonly KubeBody[];
}

/** What a change of the cluster's objects may have changed. */
export interface Touched {
  readonly services: ReadonlySet<ServiceId>;
  /** All services in these. */
  readonly namespaces: ReadonlySet<string>;
}

/** The objects of a cluster that imports and exports are made of; of others only what is asked. */
export interface ClusterObjects {
  readonly take: (kind: McsKind, change: FollowChange) => Touched;
  /** What the API server answered to a write of ours: known before the watch tells it. */
  readonly written: (body: KubeBody) => void;
  readonly of: (id: ServiceId) => ServiceObjects;
  /** Services with a ServiceExport, or an object of ours. */
  readonly ids: () => ReadonlySet<ServiceId>;
  /** ServiceImports that we made. */
  readonly importCount: () => number;
}

type ByName = Map<string, KubeBody>;

export function createClusterObjects(): ClusterObjects {
  const namespaces = new Set<string>();
  const services = new Map<string, ExportedService>();
  const derived: ByName = new Map();
  const exported: ByName = new Map();
  const imported: ByName = new Map();
  const slices: ByName = new Map();
  const slicesOf = new Map<string, Set<string>>();
  /** `namespace/name` of a derived Service to whom it belongs. */
  const derivedFor = new Map<string, ServiceId>();

  const derivedKey = (id: ServiceId): string => `${namespaceOf(id)}/${derivedServiceName(id)}`;
  const putSlice = (key: string, body: KubeBody | undefined): string | undefined => {
    const owner = ownerOf(body ?? slices.get(key));
    if (owner === undefined) return undefined;
    const keys = slicesOf.get(owner) ?? new Set();
    if (body === undefined) {
      slices.delete(key);
      keys.delete(key);
    } else {
      slices.set(key, body);
      slicesOf.set(owner, keys.add(key));
    }
    if (keys.size === 0) slicesOf.delete(owner);
    return owner;
  };
  const putService = (key: string, object: JsonMap | undefined): readonly string[] => {
    const body = object === undefined ? undefined : compactBody(object);
    const owner = derivedFor.get(key) ?? ownerOf(body ?? derived.get(key));
    const before = services.get(key);
    const after = serviceKindOf(object);
    if (after === "absent") services.delete(key);
    else services.set(key, after);
    const isDerived = isDerivedName(key.slice(key.indexOf("/") + 1)) || !isForeign(body);
    if (body !== undefined && isDerived) derived.set(key, body);
    else derived.delete(key);
    // Cluster IPs of others' Services and the like change nothing.
    return [...(before === after ? [] : [key]), ...(owner === undefined ? [] : [owner])];
  };
  const put = (kind: McsKind, key: string, object: JsonMap | undefined): readonly string[] => {
    const body = object === undefined ? undefined : compactBody(object);
    switch (kind) {
      case "Namespace":
        return [];
      case "Service":
        return putService(key, object);
      case "EndpointSlice":
        return [putSlice(key, body) ?? ""];
      case "ServiceExport":
        set(exported, key, body);
        return [key];
      case "ServiceImport":
        set(imported, key, body);
        return [key];
    }
  };

  return {
    take: (kind, { puts, removed }) => {
      if (kind === "Namespace") return takeNamespaces(namespaces, { puts, removed });
      const touched = new Set<ServiceId>();
      const note = (keys: readonly string[]): void => {
        for (const key of keys) addId(touched, key);
      };
      for (const { key, object } of puts) note(put(kind, key, asMap(object)));
      for (const key of removed) note(put(kind, key, undefined));
      return { services: touched, namespaces: new Set() };
    },
    written: (body) => {
      const { namespace, name } = body.metadata;
      put(body.kind as McsKind, `${namespace}/${name}`, body);
    },
    of: (id) => {
      const key = derivedKey(id);
      derivedFor.set(key, id);
      return {
        hasNamespace: namespaces.has(namespaceOf(id)),
        service: services.get(id) ?? "absent",
        exported: exported.get(id),
        imported: imported.get(id),
        derived: derived.get(key),
        slices: [...(slicesOf.get(id) ?? [])].flatMap((slice) => slices.get(slice) ?? []),
      };
    },
    ids: () => {
      const ids = new Set<ServiceId>();
      for (const key of [...exported.keys(), ...imported.keys(), ...slicesOf.keys()])
        addId(ids, key);
      for (const body of derived.values()) addId(ids, ownerOf(body) ?? "");
      return ids;
    },
    importCount: () => [...imported.values()].filter((body) => !isForeign(body)).length,
  };
}

function set(map: ByName, key: string, body: KubeBody | undefined): void {
  if (body === undefined) map.delete(key);
  else map.set(key, body);
}

/** Names that no service of the mesh can have are none of our business. */
function addId(ids: Set<ServiceId>, key: string): void {
  const [namespace = "", name = ""] = key.split("/");
  try {
    ids.add(serviceIdOf(namespace, name));
  } catch {
    // A Service name may be no label of DNS 1123 in very old clusters.
  }
}

/** The service whose import an object of ours belongs to. */
function ownerOf(body: KubeBody | undefined): string | undefined {
  if (body === undefined || isForeign(body)) return undefined;
  const name = body.metadata.labels?.[serviceNameLabel];
  return typeof name === "string" ? `${body.metadata.namespace}/${name}` : undefined;
}

function serviceKindOf(object: JsonMap | undefined): ExportedService {
  if (object === undefined) return "absent";
  const type = textIn(mapIn(object, "spec") ?? {}, "type");
  return type === "ExternalName" ? "external" : "present";
}

function takeNamespaces(namespaces: Set<string>, { puts, removed }: FollowChange): Touched {
  const touched = new Set<string>();
  const put = (name: string, stays: boolean): void => {
    if (namespaces.has(name) === stays) return;
    touched.add(name);
    if (stays) namespaces.add(name);
    else namespaces.delete(name);
  };
  for (const { key, object } of puts) {
    const metadata = mapIn(asMap(object) ?? {}, "metadata") ?? {};
    // One that is being deleted takes nothing new.
    put(key, textIn(metadata, "deletionTimestamp") === undefined);
  }
  for (const key of removed) put(key, false);
  return { services: new Set(), namespaces: touched };
}
