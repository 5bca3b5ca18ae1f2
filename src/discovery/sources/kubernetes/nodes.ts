import { type JsonMap, mapIn, textIn } from "../../../mesh/json-map.ts";

/** What the mesh knows of a `v1` Node. */
export interface KubeNode {
  readonly name: string;
  /** Empty when its labels do not say. */
  readonly zone: string;
  readonly region: string;
}

/** What the mesh knows of a `v1` Namespace. */
export interface KubeNamespace {
  readonly name: string;
  /** Its end has begun: nothing can be created there. */
  readonly isTerminating: boolean;
  /** Labels of this project, as they stand. */
  readonly labels: Readonly<Record<string, string>>;
}

// The API server takes no other label values; anything else did not come from one.
const labelValue = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

/** Never throws. */
export function readNode(name: string, object: JsonMap): KubeNode {
  const labels = mapIn(mapIn(object, "metadata") ?? {}, "labels") ?? {};
  return {
    name,
    zone: labelIn(labels, "topology.kubernetes.io/zone"),
    region: labelIn(labels, "topology.kubernetes.io/region"),
  };
}

/** Never throws. */
export function readNamespace(name: string, object: JsonMap): KubeNamespace {
  const labels = mapIn(mapIn(object, "metadata") ?? {}, "labels") ?? {};
  const own = Object.keys(labels).filter((key) => key.startsWith("isthmus.dev/"));
  return {
    name,
    isTerminating: textIn(mapIn(object, "status") ?? {}, "phase") === "Terminating",
    labels: Object.fromEntries(own.map((key) => [key, labelIn(labels, key)])),
  };
}

function labelIn(labels: JsonMap, key: string): string {
  const value = textIn(labels, key) ?? "";
  return labelValue.test(value) ? value : "";
}
