/** What is known of things that other objects name, and who names them. */
export interface NamedFacts {
  readonly get: (name: string) => string | undefined;
  /** Returns those for whom that is news. */
  readonly set: (name: string, fact: string) => Iterable<string>;
  /** The thing is gone; who still names it keeps what was known of it. */
  readonly unset: (name: string) => void;
  readonly use: (name: string, user: string) => void;
  readonly release: (name: string, user: string) => void;
}

/**
 * Two watches are never at the same point in time: a pod goes while a slice still names it. Forgetting
 * at once what the pod was would change the slice's endpoints twice.
 */
export function createNamedFacts(): NamedFacts {
  const facts = new Map<string, string>();
  const users = new Map<string, Set<string>>();
  const gone = new Set<string>();
  return {
    get: (name) => facts.get(name),
    set(name, fact) {
      gone.delete(name);
      const isNews = facts.get(name) !== fact;
      facts.set(name, fact);
      return isNews ? (users.get(name) ?? []) : [];
    },
    unset(name) {
      if (users.has(name)) gone.add(name);
      else facts.delete(name);
    },
    use(name, user) {
      const known = users.get(name);
      if (known === undefined) users.set(name, new Set([user]));
      else known.add(user);
    },
    release(name, user) {
      const known = users.get(name);
      known?.delete(user);
      if (known?.size !== 0) return;
      users.delete(name);
      if (gone.delete(name)) facts.delete(name);
    },
  };
}
