import { setTimeout as wait } from "node:timers/promises";
import { codeOf, MeshError, reasonOf } from "../../mesh/errors.ts";
import { holderOf, openStateFolder, removeState } from "./join/state-folder.ts";

/** What became of the VM's sidecar. */
export interface Left {
  /** Undefined: none ran, so nobody could be told; the agent forgets the workload after its grace. */
  readonly ended: number | undefined;
}

// A sidecar says goodbye within 25 s, whatever its callers do.
const limitMs = 40_000;
const lookMs = 50;

/**
 * Has the VM's sidecar say goodbye and end, waits for it, then removes key, certificate and configuration. Throws
 * MESH_FILE_UNREADABLE (there is no such VM here), MESH_FILE_UNWRITABLE and MESH_FOLDER_IN_USE (it does not end).
 */
export async function leaveVm(dir: string): Promise<Left> {
  const holder = await holderOf(dir);
  if (holder !== undefined) await end(holder, dir);
  await using folder = await openStateFolder(dir);
  await removeState(folder);
  return { ended: holder };
}

async function end(pid: number, dir: string): Promise<void> {
  try {
    process.kill(pid, "SIGTERM");
  } catch (cause) {
    if (codeOf(cause) === "ESRCH") return;
    throw inUse(
      dir,
      `process ${pid} cannot be told to end (${reasonOf(cause)}); run it as that user, or as root`,
    );
  }
  const until = performance.now() + limitMs;
  while ((await holderOf(dir)) !== undefined) {
    if (performance.now() > until) {
      throw inUse(
        dir,
        `process ${pid} did not end within ${limitMs / 1000} s; nothing was removed`,
      );
    }
    await wait(lookMs);
  }
}

function inUse(dir: string, truth: string): MeshError {
  return new MeshError("MESH_FOLDER_IN_USE", `Cannot leave by "${dir}": ${truth}`);
}
