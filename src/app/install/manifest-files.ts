import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { isMap } from "../../mesh/json-map.ts";
import type { Manifest } from "./manifest.ts";

interface Kustomization {
  readonly resources: readonly string[];
  readonly [field: string]: unknown;
}

/**
 * All objects of a folder of `deploy/`, as `kubectl kustomize` finds them. The kustomizations there only list
 * files and folders, so this is all that has to be understood of them. Throws MESH_FILE_UNREADABLE.
 */
export function readManifests(dir: string): readonly Manifest[] {
  const file = join(dir, "kustomization.yaml");
  const { apiVersion: _apiVersion, kind: _kind, resources, ...rest } = readKustomization(file);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    throw unreadable(file, `it has ${unknown}, and may only list resources`);
  return resources.flatMap((name) => {
    const path = join(dir, name);
    return /\.ya?ml$/.test(name) ? readObjects(path) : readManifests(path);
  });
}

function readKustomization(file: string): Kustomization {
  const read: unknown = parsed(file, (text) => parse(text));
  const resources: unknown = isMap(read) ? read["resources"] : undefined;
  if (!isMap(read) || !Array.isArray(resources)) throw unreadable(file, "it lists no resources");
  return { ...read, resources: resources.map(String) };
}

function readObjects(file: string): readonly Manifest[] {
  return parsed(file, (text) =>
    parseAllDocuments(text).map((document): Manifest => {
      const [wrong] = document.errors;
      if (wrong !== undefined) throw wrong;
      const object: unknown = document.toJS();
      if (isManifest(object)) return object;
      throw new TypeError("a document in it has no apiVersion, kind or name");
    }),
  );
}

function parsed<T>(file: string, parse: (text: string) => T): T {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new MeshError(
      "MESH_FILE_UNREADABLE",
      `Cannot read "${file}" below ${dirname(dirname(file))}: ${reasonOf(cause)}`,
      { cause },
    );
  }
}

function unreadable(file: string, truth: string): MeshError {
  return new MeshError("MESH_FILE_UNREADABLE", `Cannot read "${file}": ${truth}`);
}

function isManifest(value: unknown): value is Manifest {
  if (!isMap(value) || !isMap(value["metadata"])) return false;
  return [value["apiVersion"], value["kind"], value["metadata"]["name"]].every(
    (part) => typeof part === "string",
  );
}
