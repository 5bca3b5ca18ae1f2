import type { Constituent } from "../../../../src/discovery/mcs/constituents.ts";
import type { KubeBody } from "../../../../src/discovery/mcs/kube-body.ts";
import type { McsAction, McsKnowledge } from "../../../../src/discovery/mcs/plan.ts";
import { planMcs } from "../../../../src/discovery/mcs/plan.ts";
import { type MemberName, parseServiceId, type ServiceId } from "../../../../src/mesh/ids.ts";
import { east, endpointOf } from "../../support/made.ts";

export const cart: ServiceId = parseServiceId("shop/cart");

export function constituentOf(member: MemberName, change: Partial<Constituent> = {}): Constituent {
  return {
    member,
    type: "ClusterSetIP",
    ports: [{ name: "http", port: 80, protocol: "TCP", appProtocol: "http" }],
    createdAtMs: 1000,
    traffic: {},
    labels: {},
    annotations: {},
    endpoints: [endpointOf(1)],
    isUsable: true,
    ...change,
  };
}

export function exportOf(change: Partial<KubeBody> = {}): KubeBody {
  return {
    apiVersion: "multicluster.x-k8s.io/v1beta1",
    kind: "ServiceExport",
    metadata: { namespace: "shop", name: "cart", uid: "export-1", generation: 1 },
    ...change,
  };
}

export function knowledgeOf(change: Partial<McsKnowledge> = {}): McsKnowledge {
  return {
    self: east,
    constituents: [constituentOf(east)],
    isSettled: true,
    hasNamespace: true,
    withSlices: true,
    pending: undefined,
    now: "2026-01-01T00:00:00Z",
    service: "present",
    exported: undefined,
    imported: undefined,
    derived: undefined,
    slices: [],
    ...change,
  };
}

type Objects = Pick<McsKnowledge, "exported" | "imported" | "derived" | "slices">;

/** As an API server would carry them out, as far as plans can tell: uids, cluster IPs, generations. */
export function carryOut(known: McsKnowledge, actions: readonly McsAction[]): McsKnowledge {
  return { ...known, ...actions.reduce<Objects>(stepOf, known) };
}

function stepOf(objects: Objects, action: McsAction): Objects {
  const { kind, metadata } = action.body;
  if (kind === "EndpointSlice") {
    const before = objects.slices.find((slice) => slice.metadata.name === metadata.name);
    const others = objects.slices.filter((slice) => slice !== before);
    const after = written(before, action);
    return { ...objects, slices: after === undefined ? others : [...others, after] };
  }
  const place = placeOf(kind);
  return { ...objects, [place]: written(objects[place], action) };
}

function placeOf(kind: string): "exported" | "imported" | "derived" {
  if (kind === "ServiceExport") return "exported";
  return kind === "ServiceImport" ? "imported" : "derived";
}

function written(before: KubeBody | undefined, action: McsAction): KubeBody | undefined {
  const { t, body } = action;
  if (t === "delete") return undefined;
  const { kind, metadata } = body;
  const fresh = {
    metadata: { uid: `${kind}-1`, generation: 1 },
    ...(kind === "Service" ? { spec: { clusterIPs: ["10.96.0.7"] } } : {}),
  };
  const after = merged(before ?? fresh, body) as KubeBody;
  // An apply takes away what it applied before; here nobody else ever labels an import.
  if (t !== "apply" || "subresource" in action) return after;
  return { ...after, metadata: { ...after.metadata, ...metadata } };
}

/** As a JSON merge patch does. */
function merged(into: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const base = typeof into === "object" && into !== null ? into : {};
  const entries = Object.entries({ ...base, ...patch }).flatMap(([key, value]) => {
    const isPatched = Object.hasOwn(patch, key);
    if (isPatched && value === null) return [];
    return [[key, isPatched ? merged(base[key as keyof typeof base], value) : value] as const];
  });
  return Object.fromEntries(entries);
}

/** Plans and carries out until nothing is left to do; throws where that never is. */
export function settle(known: McsKnowledge): McsKnowledge {
  let now = known;
  for (let round = 0; round < 10; round += 1) {
    const { actions } = planMcs(cart, now);
    if (actions.length === 0) return now;
    now = carryOut(now, actions);
  }
  throw new Error("The plan never comes to an end");
}
