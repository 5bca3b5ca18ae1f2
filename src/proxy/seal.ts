import { checkedResource } from "../xds/constraints.ts";
import { packed } from "../xds/encode.ts";
import type { Cluster } from "../xds/gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { ClusterLoadAssignment } from "../xds/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import type { Listener } from "../xds/gen/envoy/config/listener/v3/listener_pb.ts";
import type { RouteConfiguration } from "../xds/gen/envoy/config/route/v3/route_pb.ts";
import type { Secret } from "../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import type { Resource, ResourceEdit, ResourceKey } from "../xds/resource.ts";
import { schemas } from "../xds/schemas.ts";
import { extensions } from "./resources/extensions.ts";

/** A resource as built, before it becomes bytes. */
export type Draft =
  | { readonly t: "cluster"; readonly message: Cluster }
  /** `after`: the version of the cluster it belongs to. */
  | { readonly t: "endpoint"; readonly message: ClusterLoadAssignment; readonly after?: string }
  | { readonly t: "secret"; readonly message: Secret }
  | { readonly t: "listener"; readonly message: Listener }
  | { readonly t: "route"; readonly message: RouteConfiguration };

/** What a set should hold of one subject, and what could not be built: its last good version stays. */
export interface Sealed {
  readonly resources: readonly Resource[];
  readonly withheld: readonly Withheld[];
}

export interface Withheld extends ResourceKey {
  readonly reason: string;
}

export const nothingSealed: Sealed = { resources: [], withheld: [] };

/**
 * Checks and encodes, once for all streams: the only place where proxy resources become bytes. What
 * breaks a rule of its proto is withheld, because Envoy would drop the whole response it came in.
 */
export function seal(drafts: readonly Draft[]): Sealed {
  const resources: Resource[] = [];
  const withheld: Withheld[] = [];
  for (const draft of drafts) {
    const key = { type: draft.t, name: nameOf(draft) };
    const checked = checkedResource({
      ...key,
      schema: schemas[draft.t],
      message: draft.message,
      extensions,
      ...(draft.t === "endpoint" && draft.after !== undefined ? { mixVersion: draft.after } : {}),
    });
    if (checked.t === "ok") resources.push(checked.resource);
    else withheld.push({ ...key, reason: checked.violations.join("; ") });
  }
  return { resources: packed(resources), withheld };
}

function nameOf(draft: Draft): string {
  return draft.t === "endpoint" ? draft.message.clusterName : draft.message.name;
}

/** What a subject has after a build: where a resource was withheld, its last good version. */
export function withLastGood(before: Sealed, after: Sealed): Sealed {
  if (after.withheld.length === 0) return after;
  const withheld = new Set(after.withheld.map(keyText));
  const kept = before.resources.filter((resource) => withheld.has(keyText(resource)));
  return { resources: [...after.resources, ...kept], withheld: after.withheld };
}

/** From what a subject had in a set to what it should have; either may be nothing. */
export function editBetween(before: Sealed, after: Sealed): ResourceEdit {
  const keep = new Set(after.resources.map(keyText));
  const old = new Map(before.resources.map((resource) => [keyText(resource), resource.version]));
  return {
    upserts: after.resources.filter((resource) => old.get(keyText(resource)) !== resource.version),
    removed: before.resources
      .filter((resource) => !keep.has(keyText(resource)))
      .map(({ type, name }) => ({ type, name })),
  };
}

function keyText(key: ResourceKey): string {
  return `${key.type} ${key.name}`;
}
