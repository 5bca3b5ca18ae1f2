import { asMap, type JsonMap, mapIn, mapsIn, numberIn, textIn } from "../../mesh/json-map.ts";
import type { ObjectRef } from "../kubernetes/kube-api.ts";

/** What matters of an HTTPRoute to whoever answers it. */
export interface SeenRoute {
  readonly ref: ObjectRef;
  readonly version: string;
  readonly generation: number;
  /** `parentRefs` to Services: what a mesh answers for. Source: GEP-1426 (routes of meshes). */
  readonly services: readonly JsonMap[];
  /** What others say of it. */
  readonly others: readonly JsonMap[];
  /** What an agent said of it. */
  readonly own: readonly JsonMap[];
}

/** By which the Gateway API knows whose word an entry of `status.parents` is. */
export const routeController = "isthmus.dev/agent";

// As the API's own schema bounds them.
const maxParents = 32;
const refFields = ["group", "kind", "namespace", "name", "sectionName", "port"] as const;

/** Undefined for what is no object with a name and a version: the API server sends none. */
export function seenRoute(object: object): SeenRoute | undefined {
  const route = asMap(object) ?? {};
  const metadata = mapIn(route, "metadata") ?? {};
  const name = textIn(metadata, "name");
  const version = textIn(metadata, "resourceVersion");
  if (name === undefined || version === undefined) return undefined;
  const namespace = textIn(metadata, "namespace");
  const parents = mapsIn(mapIn(route, "status") ?? {}, "parents");
  return {
    ref: { name, ...(namespace === undefined ? {} : { namespace }) },
    version,
    generation: numberIn(metadata, "generation") ?? 0,
    services: mapsIn(mapIn(route, "spec") ?? {}, "parentRefs")
      .filter(isService)
      .map(refOf),
    others: parents.filter((parent) => !isOwn(parent)),
    own: parents.filter(isOwn),
  };
}

/**
 * What to write into a route so that its status says of each Service that this version does not act on it; undefined when
 * it does, or when it is for none. Entries of others are written back as they were read: the list is replaced as a whole,
 * and refused when it has changed since.
 */
export function routeStatusPatch(
  { version, generation, services, others, own }: SeenRoute,
  now: Date,
): object | undefined {
  const wanted = services.slice(0, Math.max(0, maxParents - others.length));
  const said = new Map(own.map((parent) => [refText(parent["parentRef"]), parent]));
  const isSaid = (ref: JsonMap): boolean => says(said.get(refText(ref)), generation);
  if (own.length === wanted.length && wanted.every(isSaid)) return undefined;
  const nowText = now.toISOString().replace(/\.\d+Z$/, "Z");
  const parents = wanted.map((parentRef) => {
    const before = acceptedOf(said.get(refText(parentRef)));
    const isSame = before !== undefined && textIn(before, "status") === "False";
    const sinceText = isSame ? textIn(before, "lastTransitionTime") : undefined;
    const condition = {
      ...notAccepted,
      observedGeneration: generation,
      lastTransitionTime: sinceText ?? nowText,
    };
    return { parentRef, controllerName: routeController, conditions: [condition] };
  });
  return {
    metadata: { resourceVersion: version },
    status: { parents: [...others, ...parents] },
  };
}

const notAccepted = {
  type: "Accepted",
  status: "False",
  reason: "NotActedUpon",
  message: "This version of isthmus does not act on HTTPRoute: no traffic follows it",
} as const;

function isService(ref: JsonMap): boolean {
  return ref["group"] === "" && ref["kind"] === "Service";
}

function refOf(ref: JsonMap): JsonMap {
  const named = refFields.filter((field) => ref[field] !== undefined);
  return Object.fromEntries(named.map((field) => [field, ref[field]]));
}

function isOwn(parent: JsonMap): boolean {
  return parent["controllerName"] === routeController;
}

function says(parent: JsonMap | undefined, generation: number): boolean {
  const accepted = acceptedOf(parent);
  if (accepted === undefined || accepted["observedGeneration"] !== generation) return false;
  return accepted["status"] === notAccepted.status && accepted["reason"] === notAccepted.reason;
}

function acceptedOf(parent: JsonMap = {}): JsonMap | undefined {
  return mapsIn(parent, "conditions").find((condition) => condition["type"] === "Accepted");
}

function refText(ref: unknown): string {
  const map = asMap(ref) ?? {};
  return JSON.stringify(refFields.map((field) => map[field] ?? null));
}
