import type { WorkloadSelector } from "../../../mesh/service.ts";
import { shown } from "../source-finding.ts";
import type { Fields } from "./fields.ts";
import { fieldsOf } from "./fields.ts";

// A name of at most 63 characters, after a DNS name and a slash or not. Source: Kubernetes, labels and selectors.
const labelKey =
  /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
// A pod of a large release carries a dozen.
const maxLabels = 32;

/** A map of labels; undefined, with problems, when it is none. */
export function readLabels(
  object: Fields,
  key: string,
): Readonly<Record<string, string>> | undefined {
  const fields = object.fields(key);
  if (fields === undefined) return undefined;
  const entries = fields.entries();
  if (entries.length > maxLabels) {
    return object.refuse(key, `it has ${entries.length} labels; at most ${maxLabels} are allowed`);
  }
  const labels: [string, string][] = [];
  for (const [name, value] of entries) {
    if (!labelKey.test(name)) fields.refuse(name, "this is no label's name");
    else if (typeof value !== "string" || !labelValue.test(value)) {
      fields.refuse(name, `it is ${shown(value)}, which is no label's value; put it in quotes`);
    } else labels.push([name, value]);
  }
  return Object.fromEntries(labels);
}

/** What a Service selects; undefined: its endpoints are written down. */
export function readSelector(spec: Fields): WorkloadSelector | undefined {
  const labels = readLabels(spec, "selector");
  if (labels === undefined || Object.keys(labels).length === 0) return undefined;
  const targets: [string, string | number][] = [];
  // Whatever else is wrong with a port is said by whoever reads ports.
  for (const item of spec.list("ports", 100)) {
    const port = fieldsOf(item, []);
    const target = port?.raw("targetPort");
    const name = port?.raw("name") ?? "";
    const isTarget = typeof target === "string" || typeof target === "number";
    if (isTarget && typeof name === "string") targets.push([name, target]);
  }
  return { labels, targets: Object.fromEntries(targets) };
}
