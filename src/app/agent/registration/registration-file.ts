import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, reasonOf } from "../../../mesh/errors.ts";
import type { Log } from "../../../mesh/ports.ts";
import { type SavedSoon, type SavedSoonOptions, saveSoon } from "../files/saved-soon.ts";

// A fleet that starts comes within seconds: one write takes all of them.
const saveAfterMs = 1000;
const name = "registrations.json";
// Four thousand with long names.
const maxBytes = 8 * 1024 * 1024;

/** Keeps who is registered over restarts: `registrations.json` in the snapshot folder. */
export interface RegistrationFile extends SavedSoon {
  /** Of the file as it was when this was opened. */
  readonly entries: readonly unknown[];
}

export async function openRegistrationFile({
  all,
  ...options
}: Pick<SavedSoonOptions, "dir" | "log" | "watch"> & {
  readonly all: () => readonly object[];
}): Promise<RegistrationFile> {
  const saved = saveSoon({
    ...options,
    name,
    what: "Registrations",
    afterMs: saveAfterMs,
    text: () => `${JSON.stringify({ registered: all() })}\n`,
  });
  return { ...saved, entries: await load(join(options.dir, name), options.log) };
}

async function load(file: string, log: Log): Promise<readonly unknown[]> {
  try {
    const text = await readFile(file, "utf8");
    if (text.length > maxBytes) throw new RangeError(`it is larger than ${maxBytes} bytes`);
    const { registered } = JSON.parse(text) as { readonly registered?: unknown };
    if (!Array.isArray(registered)) throw new TypeError("it has no list of registered workloads");
    return registered;
  } catch (thrown) {
    // Absent at the first start; else the workloads come back by themselves, within seconds.
    if (codeOf(thrown) !== "ENOENT")
      log.warn({ file, reason: reasonOf(thrown) }, "Registrations are unreadable");
    return [];
  }
}
