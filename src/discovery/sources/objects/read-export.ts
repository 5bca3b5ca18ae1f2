import { serviceIdOf } from "../../../mesh/ids.ts";
import {
  isAnnotation,
  isLabel,
  maxMetadataEntries,
  type ObjectMetadata,
  sortedMetadata,
} from "../../../mesh/object-metadata.ts";
import { shown } from "../source-finding.ts";
import type { Fields, Problem } from "./fields.ts";
import type { KubeExport } from "./kube-objects.ts";
import type { Metadata } from "./metadata.ts";

const exportFields = ["apiVersion", "kind", "metadata", "spec", "status"];
const specFields = ["exportedLabels", "exportedAnnotations"];

/** Reads a `multicluster.x-k8s.io` ServiceExport; it exports the Service of its own name. */
export function readExport(object: Fields, metadata: Metadata, problems: Problem[]): KubeExport {
  object.expectOnly(exportFields);
  const spec = object.fields("spec");
  spec?.expectOnly(specFields);
  const labels = readEntries(spec?.fields("exportedLabels"), { isEntry: isLabel, problems });
  const annotations = readEntries(spec?.fields("exportedAnnotations"), {
    isEntry: isAnnotation,
    problems,
  });
  return {
    t: "export",
    key: `ServiceExport/${metadata.namespace}/${metadata.name}`,
    service: serviceIdOf(metadata.namespace, metadata.name),
    ...(metadata.createdAtMs === undefined ? {} : { createdAtMs: metadata.createdAtMs }),
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** What is wrong is reported and left out: it only decorates the imports, the export must not fail for it. */
function readEntries(
  map: Fields | undefined,
  rule: {
    readonly isEntry: (key: string, value: unknown) => boolean;
    readonly problems: Problem[];
  },
): ObjectMetadata | undefined {
  const entries = map?.entries() ?? [];
  const taken = entries
    .filter((entry): entry is [string, string] => rule.isEntry(...entry))
    .slice(0, maxMetadataEntries);
  const [left] = entries.filter(([key]) => !taken.some(([name]) => name === key));
  if (map !== undefined && left !== undefined) {
    const count = entries.length - taken.length;
    rule.problems.push({
      code: "SOURCE_EXPORT_METADATA_DROPPED",
      path: map.path,
      message: `${count} of its entries are not exported, ${shown(left[0])} for one: write at most ${maxMetadataEntries}, as Kubernetes takes them, none longer than 4096 characters`,
    });
  }
  return sortedMetadata(taken);
}
