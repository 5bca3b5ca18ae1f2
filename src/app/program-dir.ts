import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { MeshError } from "../mesh/errors.ts";

/** Where this program is installed: the folder of its `package.json`, from sources and from a bundle alike. */
export function programDir(): string {
  const start = import.meta.dirname;
  for (let dir = start; dir !== dirname(dir); dir = dirname(dir)) {
    if (existsSync(join(dir, "package.json"))) return dir;
  }
  throw new MeshError("MESH_NOT_FOUND", `Cannot find the program's own files above "${start}"`);
}
