/** Where a command prints and what it knows of its surroundings; tests pass their own. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Width of the terminal; undefined when output goes elsewhere. */
  readonly columns: number | undefined;
  readonly isColourful: boolean;
  /** Whether whoever read the output is gone; absent: never. */
  readonly isClosed?: () => boolean;
  /** The size now, where a page may be drawn over and over; absent: output goes elsewhere. */
  readonly screen?: () => { readonly columns: number; readonly rows: number };
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Option {
  readonly type: "string" | "boolean";
  readonly about: string;
  /** `FILE`, for the help; only for strings. */
  readonly hint?: string;
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: true;
  readonly required?: true;
}

export interface Arguments {
  readonly positionals: readonly string[];
  readonly text: (option: string) => string | undefined;
  readonly texts: (option: string) => readonly string[];
  readonly has: (option: string) => boolean;
}

/** One file under `cli/` exports one of these. */
export interface Command {
  /** `trust issue member` */
  readonly name: string;
  /** `NAME --dir D`: what follows the name. */
  readonly usage: string;
  /** Paragraphs for `--help`. */
  readonly about: string;
  readonly options: Readonly<Record<string, Option>>;
  /** How many words may follow. */
  readonly positionals: { readonly min: number; readonly max: number };
  /** Returns the exit code. Throws MeshError. */
  readonly run: (args: Arguments, terminal: Terminal) => Promise<number>;
}

/** Explained in docs/errors.md. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  config: 64,
  unreachable: 69,
} as const;

export const jsonOption: Readonly<Record<"json", Option>> = {
  json: { type: "boolean", about: "print JSON with stable field names" },
};
