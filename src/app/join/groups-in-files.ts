import { listManifestFiles, readManifestFile } from "../../discovery/io/sources/manifest-files.ts";
import { readManifest } from "../../discovery/sources/manifests/manifest.ts";
import type { GroupId } from "../../mesh/workload-group.ts";
import type { AgentConfig } from "../config/config.ts";

/**
 * The WorkloadGroups that the sources of an agent have now. Undefined: that cannot be told from files, because
 * groups may stand in a cluster, or something cannot be read whole.
 */
export async function groupsInFiles(
  sources: AgentConfig["sources"],
): Promise<ReadonlySet<GroupId> | undefined> {
  const groups = new Set<GroupId>();
  for (const source of sources) {
    if (source.t === "kubernetes") return undefined;
    if (source.t === "files" && !(await addGroups(source.dir, groups))) return undefined;
  }
  return groups;
}

/** False: something cannot be read. */
async function addGroups(dir: string, groups: Set<GroupId>): Promise<boolean> {
  const listing = await listManifestFiles(dir);
  if (listing.t === "unreadable" || listing.blind.length > 0) return false;
  for (const listed of listing.files) {
    const reading = await readManifestFile(listed);
    if (reading.t !== "read") return false;
    const { objects, findings } = readManifest(reading);
    for (const { object } of objects.values()) {
      if (object.t === "workload-group") groups.add(object.group.id);
    }
    if (findings.some(({ severity }) => severity === "error")) return false;
  }
  return true;
}
