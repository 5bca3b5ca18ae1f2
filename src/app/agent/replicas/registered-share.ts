/** Which workloads registered at the agent that answers, or are known to it. */
export interface RegisteredShare {
  /** Of that agent's process; entries say by it where a stream is. */
  readonly life: string;
  readonly version: string;
  /** Absent: as at the version that was asked with. */
  readonly entries?: readonly unknown[];
  /** Marks of goodbyes that its proxies have taken over. */
  readonly taken: readonly unknown[];
}

/** What an agent knows of registered workloads, as it tells it. */
export interface RegisteredKnowledge {
  readonly life: string;
  readonly version: () => string;
  readonly entries: () => readonly object[];
  readonly taken: () => readonly string[];
  /** Takes what another agent knows. */
  readonly merge: (share: RegisteredShare) => void;
}

const maxTextChars = 256;

export function registeredFor(
  known: string,
  knowledge: Omit<RegisteredKnowledge, "merge">,
): RegisteredShare {
  const { life } = knowledge;
  const version = knowledge.version();
  const share = { life, version, taken: knowledge.taken() };
  return known === version ? share : { ...share, entries: knowledge.entries() };
}

/** Undefined: an older release, or one that lets no workloads register. */
export function registeredFrom(value: unknown): RegisteredShare | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { life, version, entries, taken } = value as Readonly<Record<string, unknown>>;
  if (typeof life !== "string" || typeof version !== "string") return undefined;
  const told = {
    life: life.slice(0, maxTextChars),
    version: version.slice(0, maxTextChars),
    taken: Array.isArray(taken) ? taken : [],
  };
  return Array.isArray(entries) ? { ...told, entries } : told;
}
