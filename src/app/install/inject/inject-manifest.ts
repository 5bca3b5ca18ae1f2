import { isMap, type JsonMap } from "../../../mesh/json-map.ts";
import type { InjectionSettings } from "./containers.ts";
import { decideInjection } from "./decide.ts";
import { injectPod } from "./inject-pod.ts";
import { mapIn, textIn } from "./pod.ts";

export interface InjectedManifest {
  readonly manifest: JsonMap;
  /** `Deployment shop/cart: …` */
  readonly remarks: readonly string[];
}

/** Where each kind keeps the pods that it makes. */
const templates: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  ReplicationController: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};

/** One object with a sidecar in its pods; what makes none is returned as it is. Throws MESH_USAGE. */
export function injectManifest(manifest: JsonMap, settings: InjectionSettings): InjectedManifest {
  const kind = textIn(manifest, "kind") ?? "";
  if (kind === "List" && Array.isArray(manifest["items"])) {
    const items = manifest["items"].filter(isMap).map((item) => injectManifest(item, settings));
    const remarks = items.flatMap((item) => item.remarks);
    return { manifest: { ...manifest, items: items.map((item) => item.manifest) }, remarks };
  }
  const path = templates[kind];
  if (path === undefined) return { manifest, remarks: [] };
  const metadata = mapIn(manifest, "metadata");
  const namespace = textIn(metadata, "namespace") ?? "default";
  const name = `${kind} ${namespace}/${textIn(metadata, "name") ?? ""}`;
  const pod = path.reduce<JsonMap>((at, step) => mapIn(at, step), manifest);
  const decision = decideInjection(pod, { namespace, ownNamespace: settings.ownNamespace });
  if (decision.t === "leave") return { manifest, remarks: [] };
  if (decision.t === "refuse") return { manifest, remarks: [`${name}: ${decision.reason}`] };
  const injected = injectPod(pod, settings);
  return {
    manifest: replaced(manifest, path, injected.pod),
    remarks: injected.warnings.map((warning) => `${name}: ${warning}`),
  };
}

function replaced(at: JsonMap, path: readonly string[], pod: JsonMap): JsonMap {
  const [step, ...rest] = path;
  return step === undefined ? pod : { ...at, [step]: replaced(mapIn(at, step), rest, pod) };
}
