/** A value that is replaced whole while others read it. */
export interface Source<Value> {
  readonly current: () => Value;
  /** Called after each replacement; returns its own cancellation. */
  readonly onChange: (listener: (value: Value) => void) => () => void;
}

export interface Holder<Value> extends Source<Value> {
  readonly replace: (value: Value) => void;
}

/** Tells its listeners at once when the value is replaced. */
export function holderOf<Value>(first: Value): Holder<Value> {
  let current = first;
  const listeners = new Set<(value: Value) => void>();
  return {
    current: () => current,
    onChange: (listener) => {
      // One listener may be given twice; each cancels its own.
      const own = (value: Value): void => listener(value);
      listeners.add(own);
      return () => listeners.delete(own);
    },
    replace: (value) => {
      current = value;
      for (const listener of listeners) listener(value);
    },
  };
}
