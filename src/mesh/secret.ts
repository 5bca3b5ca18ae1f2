const inspectCustom: unique symbol = Symbol.for("nodejs.util.inspect.custom");

/** Text that must never be printed. Only `reveal()` gives it; every other way prints `[redacted]`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "[redacted]";
  }

  toJSON(): string {
    return "[redacted]";
  }

  [inspectCustom](): string {
    return "[redacted]";
  }
}
