import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, reasonOf } from "../../../mesh/errors.ts";
import { replaceFile } from "../../../mesh/io/replace-file.ts";
import type { Log } from "../../../mesh/ports.ts";
import { claimsIn } from "./claims-in.ts";
import type { SidecarClaim } from "./sidecar-proofs.ts";

// A restart of every proxy of a member comes within seconds: one write takes all of them.
const saveAfterMs = 500;

/** Keeps sidecar proofs over restarts: `proofs.json` in the snapshot folder. */
export interface ProofFile {
  readonly load: () => Promise<readonly SidecarClaim[]>;
  /** Saves soon; `all` is asked for then. */
  readonly touch: () => void;
  readonly close: () => Promise<void>;
}

export function openProofFile(options: {
  readonly dir: string;
  readonly all: () => readonly SidecarClaim[];
  readonly log: Log;
  /** Hears of each write and how it ended. */
  readonly watch: (file: string, write: Promise<void>) => Promise<void>;
}): ProofFile {
  const { dir, log } = options;
  const file = join(dir, "proofs.json");
  let timer: NodeJS.Timeout | undefined;
  let saving: Promise<void> = Promise.resolve();

  const save = (): void => {
    timer = undefined;
    saving = saving
      .then(() => {
        const text = `${JSON.stringify(options.all())}\n`;
        return options.watch("proofs.json", replaceFile(file, { text, mode: 0o600 }));
      })
      .catch((thrown: unknown) =>
        log.warn({ file, reason: reasonOf(thrown) }, "Sidecar proofs could not be saved"),
      );
  };
  return {
    load: async () => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      try {
        return claimsIn(JSON.parse(await readFile(file, "utf8")));
      } catch (thrown) {
        // Absent at the first start; anything else costs only until the sidecars connect again.
        if (codeOf(thrown) !== "ENOENT")
          log.warn({ file, reason: reasonOf(thrown) }, "Sidecar proofs are unreadable");
        return [];
      }
    },
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
