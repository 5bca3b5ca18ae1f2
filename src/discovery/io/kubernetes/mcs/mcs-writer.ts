import type { KubeApi, KubeObject, ResourceType } from "../../../kubernetes/kube-api.ts";
import { compactBody } from "../../../mcs/compact-body.ts";
import type { KubeBody } from "../../../mcs/kube-body.ts";
import { mcsGroup, mcsManager } from "../../../mcs/names.ts";
import type { McsAction } from "../../../mcs/plan.ts";

/** Versions of the multi-cluster services API, the better one first. */
export type McsVersion = "v1beta1" | "v1alpha1";

/**
 * Carries out one action; what the API server made of it, or undefined for what is gone. Throws as the
 * API does: MESH_KUBE_CONFLICT where the object is another one by now.
 */
export async function writeAction(
  action: McsAction,
  to: { readonly api: KubeApi; readonly version: McsVersion },
): Promise<KubeBody | undefined> {
  const { api, version } = to;
  const type = typeOf(action.body.kind, version);
  const body = asWritten(action.body, type);
  const subresource =
    "subresource" in action && action.subresource !== undefined
      ? { subresource: action.subresource }
      : {};
  switch (action.t) {
    case "create":
      return compactBody(await api.create(type, body));
    case "apply":
      // Other hands on fields of ours are what it is to put right.
      return compactBody(
        await api.apply(type, body, { fieldManager: mcsManager, force: true, ...subresource }),
      );
    case "patch":
      return compactBody(
        await api.mergePatch(type, body.metadata, { patch: body, ...subresource }),
      );
    case "delete": {
      const { uid } = body.metadata;
      // What it owns goes with it, whoever deletes that.
      const wish = { propagation: "Background", ...(uid === undefined ? {} : { uid }) } as const;
      await api.remove(type, body.metadata, wish);
      return undefined;
    }
  }
}

function asWritten(body: KubeBody, { group, version }: ResourceType): KubeObject {
  const { metadata, ...rest } = body;
  const { resourceVersion: _, generation: __, deletionTimestamp: ___, ...kept } = metadata;
  const apiVersion = group === "" ? version : `${group}/${version}`;
  // Null is no label to Kubernetes, and in a merge patch it is what takes one away.
  return { ...rest, apiVersion, metadata: kept as KubeObject["metadata"] };
}

function typeOf(kind: string, version: McsVersion): ResourceType {
  switch (kind) {
    case "Service":
      return { group: "", version: "v1", resource: "services" };
    case "EndpointSlice":
      return { group: "discovery.k8s.io", version: "v1", resource: "endpointslices" };
    case "ServiceExport":
      return { group: mcsGroup, version, resource: "serviceexports" };
    case "ServiceImport":
      return { group: mcsGroup, version, resource: "serviceimports" };
    default:
      throw new RangeError(`${kind} is never written`);
  }
}
