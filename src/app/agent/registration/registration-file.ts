import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, reasonOf } from "../../../mesh/errors.ts";
import { replaceFile } from "../../../mesh/io/replace-file.ts";
import type { Log } from "../../../mesh/ports.ts";

// A fleet that starts comes within seconds: one write takes all of them.
const saveAfterMs = 1000;
const name = "registrations.json";
// Four thousand with long names.
const maxBytes = 8 * 1024 * 1024;

/** Keeps who is registered over restarts: `registrations.json` in the snapshot folder. */
export interface RegistrationFile {
  /** Of the file as it was when this was opened. */
  readonly entries: readonly unknown[];
  /** Saves soon; `all` is asked for then. */
  readonly touch: () => void;
  readonly close: () => Promise<void>;
}

export async function openRegistrationFile(options: {
  readonly dir: string;
  readonly all: () => readonly object[];
  readonly log: Log;
  /** Hears of each write and how it ended. */
  readonly watch: (file: string, write: Promise<void>) => Promise<void>;
}): Promise<RegistrationFile> {
  const { dir, log } = options;
  const file = join(dir, name);
  let timer: NodeJS.Timeout | undefined;
  let saving: Promise<void> = Promise.resolve();

  const save = (): void => {
    timer = undefined;
    saving = saving
      .then(() => {
        const text = `${JSON.stringify({ registered: options.all() })}\n`;
        return options.watch(name, replaceFile(file, { text, mode: 0o600 }));
      })
      .catch((thrown: unknown) =>
        log.warn({ file, reason: reasonOf(thrown) }, "Registrations could not be saved"),
      );
  };
  return {
    entries: await load(file, log),
    touch: () => {
      timer ??= setTimeout(save, saveAfterMs);
    },
    close: async () => {
      const isWaiting = timer !== undefined;
      clearTimeout(timer);
      if (isWaiting) save();
      await saving;
    },
  };
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
