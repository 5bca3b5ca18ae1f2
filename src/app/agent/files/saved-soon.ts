import { join } from "node:path";
import { reasonOf } from "../../../mesh/errors.ts";
import { replaceFile } from "../../../mesh/io/replace-file.ts";
import type { Log } from "../../../mesh/ports.ts";

/** A file of the snapshot folder that follows what changes in memory, many changes by one write. */
export interface SavedSoon {
  /** Saves soon; `text` is asked for then. */
  readonly touch: () => void;
  /** Resolves when what was touched is written, or could not be. */
  readonly close: () => Promise<void>;
}

export interface SavedSoonOptions {
  readonly dir: string;
  readonly name: string;
  readonly text: () => string;
  /** How long changes are waited for, milliseconds. */
  readonly afterMs: number;
  /** For the log: "Sidecar proofs". */
  readonly what: string;
  readonly log: Log;
  /** Hears of each write and how it ended. */
  readonly watch: (file: string, write: Promise<void>) => Promise<void>;
}

/** Writes one after the other; one that fails is a warning, and the next touch tries again. */
export function saveSoon(options: SavedSoonOptions): SavedSoon {
  const { dir, name, what, log } = options;
  const file = join(dir, name);
  let timer: NodeJS.Timeout | undefined;
  let saving: Promise<void> = Promise.resolve();

  const save = (): void => {
    timer = undefined;
    saving = saving
      .then(() => options.watch(name, replaceFile(file, { text: options.text(), mode: 0o600 })))
      .catch((thrown: unknown) =>
        log.warn({ file, reason: reasonOf(thrown) }, `${what} could not be saved`),
      );
  };
  return {
    touch: () => {
      timer ??= setTimeout(save, options.afterMs);
    },
    close: async () => {
      const isWaiting = timer !== undefined;
      clearTimeout(timer);
      if (isWaiting) save();
      await saving;
    },
  };
}
