import type { MeshError } from "../../../mesh/errors.ts";
import type { GroupDefinition } from "../../../mesh/workload-group.ts";
import type { WorkloadLine } from "../../../proxy/registration-desk.ts";
import { registrationLimit, registrationReplaced } from "./refusals.ts";

/** A workload's stream at this agent. */
export interface OpenLine {
  readonly line: WorkloadLine;
  readonly certificate: string;
  /** Of the registration that it began with. */
  sequence: number;
  told: string;
}

// A certificate is one workload; some machines run a few of them under one.
const maxPerCertificate = 4;

/** The streams of workloads at this agent, one for each key of the book; the latest one counts. */
export class WorkloadLines {
  readonly #lines = new Map<string, OpenLine>();

  keys(): Iterable<string> {
    return this.#lines.keys();
  }

  all(): Iterable<[string, OpenLine]> {
    return this.#lines;
  }

  get(key: string): OpenLine | undefined {
    return this.#lines.get(key);
  }

  /** Whether no other stream has taken over since. */
  isCurrent(key: string, own: OpenLine): boolean {
    return this.#lines.get(key) === own;
  }

  /** Throws MESH_REGISTRATION_LIMIT for one more than a certificate may have. */
  checkRoom(certificate: string, key: string): void {
    if (this.#lines.has(key)) return;
    let count = 0;
    for (const own of this.#lines.values()) if (own.certificate === certificate) count += 1;
    if (count < maxPerCertificate) return;
    throw registrationLimit(`its certificate has ${maxPerCertificate} workloads here already`);
  }

  /** An older stream of the same workload ends. */
  open(key: string, own: OpenLine): void {
    const older = this.#lines.get(key);
    this.#lines.set(key, own);
    older?.line.end(registrationReplaced());
  }

  delete(key: string): void {
    this.#lines.delete(key);
  }

  /** Another agent has the workload's later stream. */
  replace(key: string): void {
    this.end(key, registrationReplaced());
  }

  end(key: string, reason: MeshError): void {
    const own = this.#lines.get(key);
    this.#lines.delete(key);
    own?.line.end(reason);
  }

  /** Sends the definition, unless it is what was told last. */
  tell(own: OpenLine, definition: GroupDefinition): void {
    const content = JSON.stringify(definition);
    if (content === own.told) return;
    own.told = content;
    own.line.tell(definition);
  }
}
