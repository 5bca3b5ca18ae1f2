/** One thing that was looked at on a VM. */
export interface Diagnosis {
  /** Stable; `docs/errors.md` lists them. */
  readonly code: DiagnosisCode;
  readonly state: "ok" | "warning" | "error";
  /** What was looked at: an address, a file, a name. */
  readonly subject: string;
  /** What was found. */
  readonly found: string;
  /** Absent: nothing is to be done. */
  readonly todo?: string;
}

export const diagnosisCodes = [
  "VM_FOLDER",
  "VM_FILES",
  "VM_CERTIFICATE",
  "VM_AGENT_NAME",
  "VM_AGENT_REACHABLE",
  "VM_ROOT",
  "VM_CLOCK",
  "VM_MTU",
  "VM_GROUP",
  "VM_SIDECAR",
  "VM_FIRST_CONFIG",
  "VM_APPLICATION",
  "VM_DESTINATIONS",
  "VM_NAMES",
  "VM_RESOLVER",
] as const;
export type DiagnosisCode = (typeof diagnosisCodes)[number];

export function good(code: DiagnosisCode, subject: string, found: string): Diagnosis {
  return { code, state: "ok", subject, found };
}

export function bad(
  code: DiagnosisCode,
  what: Pick<Diagnosis, "subject" | "found"> & { readonly todo: string },
): Diagnosis {
  return { code, state: "error", ...what };
}

export function odd(
  code: DiagnosisCode,
  what: Pick<Diagnosis, "subject" | "found"> & { readonly todo: string },
): Diagnosis {
  return { code, state: "warning", ...what };
}
