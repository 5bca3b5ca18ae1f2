import { type JsonMap, mapIn, textIn } from "../../../mesh/json-map.ts";
import type { Problem } from "../objects/fields.ts";
import { pathText } from "../objects/fields.ts";
import type { KubeObject, ObjectKey } from "../objects/kube-objects.ts";
import { readObject } from "../objects/read-object.ts";
import type { SourceFinding } from "../source-finding.ts";
import { printable } from "../source-finding.ts";

export type ApiObjectReading =
  | {
      readonly t: "object";
      readonly object: KubeObject;
      readonly findings: readonly SourceFinding[];
    }
  /** What was known of it before stays. */
  | { readonly t: "invalid"; readonly findings: readonly SourceFinding[] }
  /** None of the mesh's business. */
  | { readonly t: "foreign" };

const serviceNameLabel = "kubernetes.io/service-name";
/** On Services and EndpointSlices that a ServiceImport made, ours or another implementation's. */
const importedLabel = "multicluster.kubernetes.io/service-name";

/**
 * Reads an object as an API server wrote it, with the reader that files have. A field that this version
 * does not know is one of a newer API; in an annotation of ours it is misspelt.
 */
export function readApiObject(key: ObjectKey, object: JsonMap): ApiObjectReading {
  if (isForeign(object)) return { t: "foreign" };
  const problems: Problem[] = [];
  const reading = readObject({ path: [], value: object }, problems);
  if (reading.t === "foreign") return reading;
  const findings = problems.filter(isOfUse).map((problem) => findingOf(key, problem));
  // What a list says it is and what the object says must not differ: it would be removed under another key.
  if (reading.t === "object" && reading.object.key === key) return { ...reading, findings };
  return { t: "invalid", findings };
}

/** What stands for workloads of other clusters, and slices that list none of any Service's. */
function isForeign(object: JsonMap): boolean {
  const labels = mapIn(mapIn(object, "metadata") ?? {}, "labels") ?? {};
  if (textIn(labels, importedLabel) !== undefined) return true;
  if (textIn(object, "kind") !== "EndpointSlice") return false;
  return textIn(object, "addressType") === "FQDN" || textIn(labels, serviceNameLabel) === undefined;
}

function isOfUse({ code, path }: Problem): boolean {
  return code !== "SOURCE_FIELD_UNKNOWN" || path.includes("annotations");
}

function findingOf(key: ObjectKey, { code, path, message }: Problem): SourceFinding {
  const isError = code === "SOURCE_OBJECT_INVALID" || code === "SOURCE_KIND_UNSUPPORTED";
  const kept = isError ? "; its last good content stays in use" : "";
  return {
    code,
    severity: isError ? "error" : "warning",
    subject: printable(key),
    message: printable(`Cannot use ${pathText(path)}: ${message}${kept}`),
  };
}
