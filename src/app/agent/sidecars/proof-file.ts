import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, reasonOf } from "../../../mesh/errors.ts";
import { type SavedSoon, type SavedSoonOptions, saveSoon } from "../files/saved-soon.ts";
import { claimsIn } from "./claims-in.ts";
import type { SidecarClaim } from "./sidecar-proofs.ts";

// A restart of every proxy of a member comes within seconds: one write takes all of them.
const saveAfterMs = 500;
const name = "proofs.json";

/** Keeps sidecar proofs over restarts: `proofs.json` in the snapshot folder. */
export interface ProofFile extends SavedSoon {
  readonly load: () => Promise<readonly SidecarClaim[]>;
}

export function openProofFile({
  all,
  ...options
}: Pick<SavedSoonOptions, "dir" | "log" | "watch"> & {
  readonly all: () => readonly SidecarClaim[];
}): ProofFile {
  const { dir, log } = options;
  const file = join(dir, name);
  const saved = saveSoon({
    ...options,
    name,
    what: "Sidecar proofs",
    afterMs: saveAfterMs,
    text: () => `${JSON.stringify(all())}\n`,
  });
  return {
    ...saved,
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
  };
}
