import { injectLabel, sidecarName } from "../../../mesh/injection.ts";
import type { JsonMap } from "../../../mesh/json-map.ts";
import { listIn, mapIn, textIn } from "./pod.ts";

export const captureName = "isthmus-capture";

/** Namespaces whose pods the control plane of the cluster, or the mesh itself, needs to start. */
const neverIn: ReadonlySet<string> = new Set(["kube-system", "kube-node-lease", "kube-public"]);

export type Decision =
  | { readonly t: "inject" }
  /** There is nothing to be told. */
  | { readonly t: "leave"; readonly reason: LeaveReason }
  /** Somebody asked for a sidecar that cannot be. */
  | { readonly t: "refuse"; readonly reason: string };

export type LeaveReason = "namespace" | "label" | "present";

/** Whether a pod that somebody asked about gets a sidecar; whether its namespace asks was judged before. */
export function decideInjection(
  pod: JsonMap,
  where: { readonly namespace: string; readonly ownNamespace: string },
): Decision {
  const { namespace, ownNamespace } = where;
  if (neverIn.has(namespace) || namespace === ownNamespace) return leave("namespace");
  if (textIn(mapIn(mapIn(pod, "metadata"), "labels"), injectLabel) === "disabled") {
    return leave("label");
  }
  const spec = mapIn(pod, "spec");
  if (hasSidecar(spec)) return leave("present");
  if (spec["hostNetwork"] === true) {
    return refuse(
      "it has no sidecar: on the host's network, redirecting would take in the whole node",
    );
  }
  if (textIn(mapIn(spec, "os"), "name") === "windows") {
    return refuse("it has no sidecar: there is none for Windows");
  }
  return { t: "inject" };
}

/** In either list: an older way to run one, or one that somebody wrote by hand. */
function hasSidecar(spec: JsonMap): boolean {
  const containers = [...listIn(spec, "initContainers"), ...listIn(spec, "containers")];
  return containers.some((container) => container["name"] === sidecarName);
}

function leave(reason: LeaveReason): Decision {
  return { t: "leave", reason };
}

function refuse(reason: string): Decision {
  return { t: "refuse", reason };
}
