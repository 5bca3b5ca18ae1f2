import { shown } from "../source-finding.ts";
import type { FieldPath, Fields, Item, Problem } from "./fields.ts";
import { fieldsOf } from "./fields.ts";
import type { KubeObject, ObjectKey } from "./kube-objects.ts";
import type { Metadata } from "./metadata.ts";
import { readMetadata } from "./metadata.ts";
import { readExport } from "./read-export.ts";
import { readImportPolicy } from "./read-import-policy.ts";
import { readService } from "./read-service.ts";
import { readSlice } from "./read-slice.ts";
import { readWorkloadGroup } from "./read-workload-group.ts";

export type ObjectReading =
  | { readonly t: "object"; readonly object: KubeObject }
  /** A mistake in an object that still says which one it is; `key` is absent when it does not. */
  | { readonly t: "invalid"; readonly key?: ObjectKey }
  /** A kind that is none of this project's business. */
  | { readonly t: "foreign" };

type Kind = "Service" | "EndpointSlice" | "ServiceExport" | "ImportPolicy" | "WorkloadGroup";

const foreign = { t: "foreign" } as const;
const known: ReadonlyMap<string, Kind> = new Map([
  ["v1 Service", "Service"],
  ["discovery.k8s.io/v1 EndpointSlice", "EndpointSlice"],
  ["multicluster.x-k8s.io/v1beta1 ServiceExport", "ServiceExport"],
  ["multicluster.x-k8s.io/v1alpha1 ServiceExport", "ServiceExport"],
  ["isthmus.dev/v1alpha1 ImportPolicy", "ImportPolicy"],
  ["isthmus.dev/v1alpha1 WorkloadGroup", "WorkloadGroup"],
]);

/** Objects that look like ours and are not read; the operator should know what to write instead. */
const unsupported: readonly (readonly [RegExp, string])[] = [
  [/^v1 Endpoints$/, "it is not read; write an EndpointSlice of discovery.k8s.io/v1"],
  [
    /^discovery\.k8s\.io\/\S+ EndpointSlice$/,
    "only discovery.k8s.io/v1 is read; change apiVersion",
  ],
  [
    /^(?:multicluster\.(?:x-)?k8s\.io|net\.gke\.io)\/\S+ ServiceExport$/,
    "only multicluster.x-k8s.io/v1beta1 and v1alpha1 are read; change apiVersion",
  ],
  [
    /^isthmus\.dev\/\S+ (?:ImportPolicy|WorkloadGroup)$/,
    "only isthmus.dev/v1alpha1 is read; change apiVersion",
  ],
  [/^isthmus\.dev\//, "this version does not know the kind and does not act on it"],
];

/** Reads one Kubernetes-shaped object. All its mistakes are added to `problems`. */
export function readObject(item: Item, problems: Problem[]): ObjectReading {
  const fields = fieldsOf(item, problems);
  if (fields === undefined) return { t: "invalid" };
  fields.require("apiVersion", "a Kubernetes-shaped object starts with apiVersion and kind");
  fields.require("kind", "a Kubernetes-shaped object starts with apiVersion and kind");
  const apiVersion = fields.text("apiVersion");
  const kindText = fields.text("kind");
  if (apiVersion === undefined || kindText === undefined) return { t: "invalid" };
  const name = `${apiVersion} ${kindText}`;
  const kind = known.get(name);
  if (kind !== undefined) return readKnown(fields, { kind, problems });
  reportUnsupported(name, { path: [...fields.path, "kind"], problems });
  return foreign;
}

function reportUnsupported(
  name: string,
  to: { readonly path: FieldPath; readonly problems: Problem[] },
): void {
  const remedy = unsupported.find(([pattern]) => pattern.test(name))?.[1];
  if (remedy === undefined) return;
  const message = `it is ${shown(name)}: ${remedy}`;
  to.problems.push({ code: "SOURCE_KIND_UNSUPPORTED", path: to.path, message });
}

function readKnown(
  fields: Fields,
  { kind, problems }: { readonly kind: Kind; readonly problems: Problem[] },
): ObjectReading {
  const before = problems.length;
  const isLabel = kind === "Service" || kind === "ServiceExport";
  const metadata = readMetadata(fields, isLabel ? "label" : "name");
  if (metadata === undefined) return { t: "invalid" };
  const { namespace, name } = metadata;
  const key = kind === "ImportPolicy" ? `${kind}/${name}` : `${kind}/${namespace}/${name}`;
  const object = readAs(kind, { fields, metadata, problems });
  const isInvalid = problems.slice(before).some(({ code }) => code === "SOURCE_OBJECT_INVALID");
  return object === undefined || isInvalid ? { t: "invalid", key } : { t: "object", object };
}

interface Reading {
  readonly fields: Fields;
  readonly metadata: Metadata;
  readonly problems: Problem[];
}

function readAs(kind: Kind, { fields, metadata, problems }: Reading): KubeObject | undefined {
  switch (kind) {
    case "Service":
      return readService(fields, metadata, problems);
    case "EndpointSlice":
      return readSlice(fields, metadata, problems);
    case "ServiceExport":
      return readExport(fields, metadata, problems);
    case "ImportPolicy":
      return readImportPolicy(fields, metadata, problems);
    case "WorkloadGroup":
      return readWorkloadGroup(fields, metadata, problems);
  }
}
