import type { MemberName, ServiceId } from "../../mesh/ids.ts";
import {
  type Condition,
  condition,
  type ExportedService,
  exportConditions,
  stated,
} from "./conditions.ts";
import type { Constituent } from "./constituents.ts";
import { derivedServiceOf, serviceImportOf } from "./import-objects.ts";
import { importSlicesOf } from "./import-slices.ts";
import {
  clusterIpsOf,
  clustersOf,
  conditionsOf,
  fits,
  identityOf,
  isLeaving,
  type KubeBody,
  sameObject,
  statusOf,
  withoutNulls,
} from "./kube-body.ts";
import { type MergedExports, mergeExports } from "./merge-exports.ts";
import { derivedServiceName, isForeign } from "./names.ts";

/** All that is known of one service: what members export, and what stands in this cluster. */
export interface McsKnowledge {
  readonly self: MemberName;
  readonly constituents: readonly Constituent[];
  /** Everything is known that may still come: what is missing now is gone. */
  readonly isSettled: boolean;
  /** Whether its namespace is here, and stays. */
  readonly hasNamespace: boolean;
  /** Whether workloads that can be dialled from here are listed in EndpointSlices. */
  readonly withSlices: boolean;
  /** Why this member's export is not with the others yet. */
  readonly pending: string | undefined;
  /** RFC 3339, whole seconds. */
  readonly now: string;
  readonly service: ExportedService;
  readonly exported: KubeBody | undefined;
  readonly imported: KubeBody | undefined;
  /** Whatever has the derived Service's name, whoever made it. */
  readonly derived: KubeBody | undefined;
  /** Slices of ours. */
  readonly slices: readonly KubeBody[];
}

/** One write. What is updated or deleted is named by its uid: never somebody else's of the same name. */
export type McsAction =
  | { readonly t: "create"; readonly body: KubeBody }
  /** Server-side apply; takes away what an earlier one had and this one has not. */
  | { readonly t: "apply"; readonly body: KubeBody; readonly subresource?: "status" }
  /** JSON merge patch: null takes a field away and lists are replaced, whoever put in what was there. */
  | { readonly t: "patch"; readonly body: KubeBody; readonly subresource?: "status" }
  | { readonly t: "delete"; readonly body: KubeBody };

export interface McsPlan {
  readonly actions: readonly McsAction[];
  /** What an operator has to do himself. */
  readonly blocked?: string;
}

/**
 * What has to be written for one service; nothing when all is as it should be. Each step builds on what
 * the one before made, so the caller asks again when its writes show.
 */
export function planMcs(id: ServiceId, known: McsKnowledge): McsPlan {
  const merged = mergeExports(known.constituents);
  const onExport = exportActions(known, merged);
  if (!known.hasNamespace) return { actions: [] };
  if (isForeign(known.imported)) {
    const blocked = `ServiceImport ${id} is not made by isthmus and stays as it is; delete it to have it made`;
    return { actions: onExport, blocked };
  }
  const isEarly = !known.isSettled && (merged === undefined || wouldShrink(known, merged));
  if (isEarly) return { actions: onExport };
  if (merged === undefined) return { actions: [...onExport, ...leftovers(known)] };
  const isBlocked = merged.type === "ClusterSetIP" && isForeign(known.derived);
  const name = `${id.slice(0, id.indexOf("/"))}/${derivedServiceName(id)}`;
  const blocked = isBlocked
    ? `Service ${name} is not made by isthmus and stays as it is, so ServiceImport ${id} gets no address; rename or delete it`
    : undefined;
  const actions = [...onExport, ...importActions(id, { known, merged, blocked })];
  return blocked === undefined ? { actions } : { actions, blocked };
}

function exportActions(
  known: McsKnowledge,
  merged: MergedExports | undefined,
): readonly McsAction[] {
  const { exported, now, self, service } = known;
  if (exported === undefined || isLeaving(exported)) return [];
  // An agent that starts would call everything pending and free of conflicts.
  if (!known.isSettled && conditionsOf(exported).length > 0) return [];
  // Seen by one watch already and not yet by the other: it would be called pending for a moment.
  const isTaken = known.constituents.some(({ member }) => member === self);
  const pending = isTaken ? known.pending : "it is being read";
  const conflicts = isTaken ? (merged?.conflicts ?? []) : [];
  const conditions = exportConditions({ service, pending, conflicts });
  return statusActions(exported, { conditions }, now);
}

/** An agent that does not know all members yet takes nothing away. */
function wouldShrink({ imported }: McsKnowledge, merged: MergedExports | undefined): boolean {
  const now = new Set<string>(merged?.members);
  return clustersOf(imported).some((cluster) => !now.has(cluster));
}

function leftovers({ imported, derived, slices }: McsKnowledge): readonly McsAction[] {
  return [imported, derived, ...slices]
    .filter((body) => body !== undefined && !isForeign(body) && !isLeaving(body))
    .map((body) => ({ t: "delete", body: body as KubeBody }));
}

interface ImportStep {
  readonly known: McsKnowledge;
  readonly merged: MergedExports;
  readonly blocked: string | undefined;
}

function importActions(id: ServiceId, step: ImportStep): readonly McsAction[] {
  const { known, merged, blocked } = step;
  const { imported, derived, self, constituents } = known;
  const ips = blocked === undefined && merged.type === "ClusterSetIP" ? clusterIpsOf(derived) : [];
  const wish = serviceImportOf(id, merged, ips);
  // An apply makes it too, and then owns the exported labels, so that a later one can take them away.
  if (imported === undefined) return [{ t: "apply", body: withoutNulls(wish) }];
  if (isLeaving(imported)) return [];
  const slices = known.withSlices
    ? importSlicesOf(id, { merged, constituents, owner: imported, self })
    : [];
  const changes = importChange(imported, wish);
  const belongings = [
    ...derivedActions(id, { ...step, owner: imported }),
    ...sliceActions(known.slices, slices),
  ];
  // Its status names the generation that the change makes.
  if (changes.length > 0) return [...changes, ...belongings];
  return [
    ...belongings,
    ...statusActions(
      imported,
      {
        clusters: merged.members.map((cluster) => ({ cluster })),
        endpointSliceObjects: slices.length > 0 ? "Present" : "Absent",
        conditions: [readyCondition(merged, { ips, blocked })],
      },
      known.now,
    ),
  ];
}

function derivedActions(
  id: ServiceId,
  { known: { derived }, merged, blocked, owner }: ImportStep & { readonly owner: KubeBody },
): readonly McsAction[] {
  if (blocked !== undefined) return [];
  if (merged.type === "Headless") {
    const isOurs = derived !== undefined && !isForeign(derived) && !isLeaving(derived);
    return isOurs ? [{ t: "delete", body: derived }] : [];
  }
  const wish = derivedServiceOf(id, merged, owner);
  if (derived === undefined) return [{ t: "create", body: withoutNulls(wish) }];
  return changeOf(derived, wish);
}

/** An apply where we want something else than before, a patch where somebody else changed it. */
function importChange(found: KubeBody, wish: KubeBody): readonly McsAction[] {
  if (!fits(wish.metadata, found.metadata)) {
    return [{ t: "apply", body: withoutNulls(sameObject(found, wish)) }];
  }
  if (fits(wish["spec"], found["spec"])) return [];
  return [{ t: "patch", body: { ...identityOf(found), spec: wish["spec"] } }];
}

/** For what is wholly ours. */
function changeOf(found: KubeBody, wish: KubeBody): readonly McsAction[] {
  if (isLeaving(found) || fits(wish, found)) return [];
  return [{ t: "patch", body: sameObject(found, wish) }];
}

function sliceActions(
  found: readonly KubeBody[],
  wishes: readonly KubeBody[],
): readonly McsAction[] {
  const byName = new Map(found.map((slice) => [slice.metadata.name, slice]));
  const kept = new Set(wishes.map(({ metadata }) => metadata.name));
  const changed = wishes.flatMap((wish): readonly McsAction[] => {
    const slice = byName.get(wish.metadata.name);
    if (slice === undefined) return [{ t: "create", body: withoutNulls(wish) }];
    return changeOf(slice, wish);
  });
  const gone = found
    .filter((slice) => !kept.has(slice.metadata.name) && !isLeaving(slice))
    .map((body): McsAction => ({ t: "delete", body }));
  return [...changed, ...gone];
}

interface StatusWish {
  readonly conditions: readonly Condition[];
  readonly clusters?: readonly { readonly cluster: string }[];
  readonly [field: string]: unknown;
}

function statusActions(found: KubeBody, wish: StatusWish, now: string): readonly McsAction[] {
  const before = conditionsOf(found);
  const { generation } = found.metadata;
  const conditions = stated(wish.conditions, { before, now, generation });
  const status = { ...wish, conditions };
  // Conditions of others may stand between ours.
  const ours = conditions.map(({ type }) => before.find((one) => one.type === type));
  const clusters = clustersOf(found).filter((cluster) => isWished(wish, cluster));
  const asFound = {
    ...statusOf(found),
    conditions: ours,
    clusters: clusters.map((cluster) => ({ cluster })),
  };
  const body = { ...identityOf(found), status };
  if (!fits(status, asFound)) return [{ t: "apply", body, subresource: "status" }];
  // A cluster that somebody added would outlive any apply of ours, which adds and changes only.
  if (wish.clusters === undefined || clusters.length === clustersOf(found).length) return [];
  const restored = { ...identityOf(found), status: { clusters: wish.clusters } };
  return [{ t: "patch", body: restored, subresource: "status" }];
}

function isWished({ clusters = [] }: StatusWish, cluster: string): boolean {
  return clusters.some((one) => one.cluster === cluster);
}

function readyCondition(
  { type }: MergedExports,
  { ips, blocked }: { readonly ips: readonly string[]; readonly blocked: string | undefined },
): Condition {
  if (blocked !== undefined) {
    return condition("Ready", { status: "False", reason: "Pending", message: blocked });
  }
  if (type === "ClusterSetIP" && ips.length === 0) {
    const message = "its Service has no cluster IP yet";
    return condition("Ready", { status: "False", reason: "Pending", message });
  }
  const message = type === "Headless" ? "its workloads have names" : "it can be reached";
  return condition("Ready", { status: "True", reason: "Ready", message });
}
