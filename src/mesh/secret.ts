/**
 * Text that must never be printed. Only `reveal()` gives it: string and JSON forms say `[redacted]`, and
 * a private field is invisible to `util.inspect`.
 */
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
}
