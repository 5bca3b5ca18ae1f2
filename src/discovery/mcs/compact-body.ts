import {
  asMap,
  type JsonMap,
  listIn,
  mapIn,
  mapsIn,
  numberIn,
  textIn,
} from "../../mesh/json-map.ts";
import type { KubeBody, KubeMetadata } from "./kube-body.ts";

// Who manages which field makes up most of many objects, and nobody here asks.
const parts = ["spec", "status", "addressType", "ports", "endpoints"];

/** An object of the API server without what is not looked at; undefined where it has no name. */
export function compactBody(object: JsonMap): KubeBody | undefined {
  const metadata = metadataOf(mapIn(object, "metadata") ?? {});
  if (metadata === undefined) return undefined;
  const kept = parts.filter((part) => Object.hasOwn(object, part));
  return {
    apiVersion: textIn(object, "apiVersion") ?? "",
    kind: textIn(object, "kind") ?? "",
    metadata,
    ...Object.fromEntries(kept.map((part) => [part, object[part]])),
  };
}

function metadataOf(metadata: JsonMap): KubeMetadata | undefined {
  const name = textIn(metadata, "name");
  if (name === undefined) return undefined;
  const text = (key: string): object => {
    const value = textIn(metadata, key);
    return value === undefined ? {} : { [key]: value };
  };
  const generation = numberIn(metadata, "generation");
  const owners = mapsIn(metadata, "ownerReferences");
  return {
    namespace: textIn(metadata, "namespace") ?? "",
    name,
    ...text("uid"),
    ...text("resourceVersion"),
    ...text("deletionTimestamp"),
    ...(generation === undefined ? {} : { generation }),
    labels: textsIn(metadata, "labels"),
    annotations: textsIn(metadata, "annotations"),
    ...(listIn(metadata, "ownerReferences") === undefined
      ? {}
      : {
          ownerReferences: owners.map((owner) => ({
            apiVersion: textIn(owner, "apiVersion") ?? "",
            kind: textIn(owner, "kind") ?? "",
            name: textIn(owner, "name") ?? "",
            uid: textIn(owner, "uid") ?? "",
          })),
        }),
  };
}

function textsIn(metadata: JsonMap, key: string): Readonly<Record<string, string>> {
  const entries = Object.entries(asMap(metadata[key]) ?? {});
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
