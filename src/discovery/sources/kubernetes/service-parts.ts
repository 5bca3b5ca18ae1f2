import type { ServiceId } from "../../../mesh/ids.ts";
import { namespaceOf } from "../../../mesh/ids.ts";
import type { SourcedObject } from "../manifests/manifest.ts";
import type { KubeEndpoint, KubeSlice, ObjectKey, ServicePart } from "../objects/kube-objects.ts";
import { serviceOf } from "../objects/kube-objects.ts";
import type { NamedFacts } from "./named-facts.ts";

/** What endpoints do not say themselves. */
export interface EndpointFacts {
  /** Service account of a pod, by `<namespace>/<name>`. */
  readonly accounts: NamedFacts;
  /** A pod's own addresses, joined by commas. */
  readonly addresses: NamedFacts;
  /** Zone of a node; empty when it has none. */
  readonly zones: NamedFacts;
}

/** The objects that services are made of, by service. */
export interface ServiceParts {
  readonly put: (object: ServicePart) => void;
  readonly remove: (key: ObjectKey) => void;
  /** A fact that these objects name is another one. */
  readonly touch: (keys: Iterable<ObjectKey>) => void;
  /** The services whose parts changed since the last call. */
  readonly takeChanged: () => readonly ServiceId[];
  /** All parts of a service, by key; endpoints with what is known of their pods and nodes. */
  readonly of: (id: ServiceId) => readonly SourcedObject<ServicePart>[];
}

export function createServiceParts(facts: EndpointFacts): ServiceParts {
  const objects = new Map<ObjectKey, ServicePart>();
  const keysOf = new Map<ServiceId, Set<ObjectKey>>();
  const changed = new Set<ServiceId>();

  const forget = (object: ServicePart): void => {
    const service = serviceOf(object);
    const keys = keysOf.get(service);
    keys?.delete(object.key);
    if (keys?.size === 0) keysOf.delete(service);
    changed.add(service);
  };

  return {
    put(object) {
      const { key } = object;
      const service = serviceOf(object);
      const before = objects.get(key);
      rename(before, object, facts);
      if (before !== undefined && serviceOf(before) !== service) forget(before);
      objects.set(key, object);
      const keys = keysOf.get(service) ?? new Set();
      keysOf.set(service, keys.add(key));
      changed.add(service);
    },
    remove(key) {
      const object = objects.get(key);
      if (object === undefined) return;
      objects.delete(key);
      forget(object);
      rename(object, undefined, facts);
    },
    touch(keys) {
      for (const key of keys) {
        const object = objects.get(key);
        if (object !== undefined) changed.add(serviceOf(object));
      }
    },
    takeChanged() {
      const taken = [...changed];
      changed.clear();
      return taken;
    },
    of: (id) =>
      [...(keysOf.get(id) ?? [])]
        .sort()
        .flatMap((key) => objects.get(key) ?? [])
        .map((object) => ({
          object: object.t === "slice" ? resolved(object, facts) : object,
          origin: { file: object.key, line: 0 },
          firstSeenMs: 0,
        })),
  };
}

/** Lets go of what only `before` named. What both name is never let go: it may be kept for this user alone. */
function rename(
  before: ServicePart | undefined,
  after: ServicePart | undefined,
  { accounts, addresses, zones }: EndpointFacts,
): void {
  const was = namesIn(before);
  const is = namesIn(after);
  const user = before?.key ?? after?.key ?? "";
  for (const [facts, kind] of [
    [accounts, "pods"],
    [addresses, "pods"],
    [zones, "nodes"],
  ] as const) {
    for (const name of is[kind]) facts.use(name, user);
    for (const name of was[kind]) if (!is[kind].has(name)) facts.release(name, user);
  }
}

interface Names {
  readonly pods: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
}

const noNames: Names = { pods: new Set(), nodes: new Set() };

function namesIn(object: ServicePart | undefined): Names {
  if (object?.t !== "slice") return noNames;
  const pods = new Set<string>();
  const nodes = new Set<string>();
  for (const { pod, node, zone } of object.endpoints) {
    if (pod !== undefined) pods.add(podKey(object, pod));
    if (node !== undefined && zone === "") nodes.add(node);
  }
  return { pods, nodes };
}

function podKey(slice: KubeSlice, pod: string): string {
  return `${namespaceOf(slice.service)}/${pod}`;
}

function resolved(slice: KubeSlice, { accounts, addresses, zones }: EndpointFacts): KubeSlice {
  const endpoints = slice.endpoints.map((endpoint): KubeEndpoint => {
    const { address, pod, node, zone } = endpoint;
    const key = pod === undefined ? undefined : podKey(slice, pod);
    const serviceAccount = key === undefined ? undefined : accounts.get(key);
    // Whoever may write a slice may write any address into it, and any pod beside it.
    const owned = key === undefined ? undefined : addresses.get(key)?.split(",");
    return {
      ...endpoint,
      zone: zone === "" && node !== undefined ? (zones.get(node) ?? "") : zone,
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
      ...(owned?.includes(address) === true ? {} : { isUnowned: true }),
    };
  });
  return { ...slice, endpoints };
}
