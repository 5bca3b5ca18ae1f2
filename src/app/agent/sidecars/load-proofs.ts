import type { Clock, Log } from "../../../mesh/ports.ts";
import type { LocalService } from "../../../mesh/service.ts";
import { openProofFile, type ProofFile } from "./proof-file.ts";
import type { SidecarProofs } from "./sidecar-proofs.ts";

/** Adds what an earlier run kept, and keeps what comes: a sidecar need not come back to be known. */
export async function loadProofs(
  proofs: SidecarProofs,
  parts: {
    readonly dir: string;
    /** What proofs may be of; undefined: not known yet. */
    readonly services: () => Iterable<LocalService> | undefined;
    readonly watch: (file: string, write: Promise<void>) => Promise<void>;
    readonly clock: Clock;
    readonly log: Log;
  },
): Promise<ProofFile> {
  const { dir, services, watch, clock, log } = parts;
  const file = openProofFile({
    dir,
    all: () => {
      const known = services();
      if (known !== undefined) proofs.retain(known, clock.monotonicMs());
      return proofs.all();
    },
    log,
    watch,
  });
  for (const claim of await file.load()) proofs.add(claim);
  return file;
}
