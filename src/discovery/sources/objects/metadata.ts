import type { Fields, TextRule } from "./fields.ts";

/** The part of an object's metadata that we read. */
export interface Metadata {
  readonly namespace: string;
  readonly name: string;
  readonly fields: Fields;
  readonly createdAtMs?: number;
}

const labelRule = {
  pattern: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
  wants: "a DNS label: at most 63 lower-case letters, digits and '-'",
};
// RFC 1123 subdomain: what Kubernetes demands of most object names.
export const nameRule: TextRule = {
  pattern: /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/,
  wants: "lower-case letters, digits, '-' and '.', at most 253",
};
// RFC 3339 with a time zone. `Date.parse` alone would also take "March 7" and read it in local time.
const timeRule = {
  pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/,
  wants: "a time like 2026-01-31T12:00:00Z",
};

/** Undefined, with problems, when the object cannot be told from others. */
export function readMetadata(object: Fields, nameMustBe: "label" | "name"): Metadata | undefined {
  object.require("metadata", "add metadata with a name");
  const metadata = object.fields("metadata");
  if (metadata === undefined) return undefined;
  metadata.require("name", "add the object's name");
  const name = metadata.text("name", nameMustBe === "label" ? labelRule : nameRule);
  // An empty namespace is what a client writes that left the field at its zero value.
  const isUnset = metadata.raw("namespace") === undefined || metadata.raw("namespace") === "";
  const namespace = isUnset ? "default" : metadata.text("namespace", labelRule);
  if (name === undefined || namespace === undefined) return undefined;
  const created = metadata.text("creationTimestamp", timeRule);
  const createdAtMs = created === undefined ? Number.NaN : Date.parse(created);
  const isTime = Number.isFinite(createdAtMs);
  if (created !== undefined && !isTime) {
    metadata.refuse("creationTimestamp", `it is "${created}", which is no date of the calendar`);
  }
  return { namespace, name, fields: metadata, ...(isTime ? { createdAtMs } : {}) };
}
