import { serviceIdOf } from "../../mesh/ids.ts";
import type { Fields } from "./fields.ts";
import type { KubeExport } from "./kube-objects.ts";
import type { Metadata } from "./metadata.ts";

const exportFields = ["apiVersion", "kind", "metadata", "spec", "status"];
const specFields = ["exportedLabels", "exportedAnnotations"];

/** Reads a `multicluster.x-k8s.io` ServiceExport; it exports the Service of its own name. */
export function readExport(object: Fields, metadata: Metadata): KubeExport {
  object.expectOnly(exportFields);
  object.fields("spec")?.expectOnly(specFields);
  return {
    t: "export",
    key: `ServiceExport/${metadata.namespace}/${metadata.name}`,
    service: serviceIdOf(metadata.namespace, metadata.name),
    ...(metadata.createdAtMs === undefined ? {} : { createdAtMs: metadata.createdAtMs }),
  };
}
