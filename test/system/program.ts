import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/** One process of the program, as a user starts it. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  readonly #ended: Promise<void>;
  #out = "";
  #err = "";

  constructor(argv: readonly string[], options: { readonly cwd: string }) {
    this.#child = spawn(process.execPath, [`${process.cwd()}/bin/isthmus.mjs`, ...argv], {
      cwd: options.cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    this.#ended = once(this.#child, "close").then(() => this.#wake());
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#out += chunk.toString("utf8");
      this.#wake();
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#err += chunk.toString("utf8");
    });
  }

  get out(): string {
    return this.#out;
  }

  get err(): string {
    return this.#err;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves with the exit code. */
  async ended(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  /** Resolves when a log line with that message was printed; rejects when the process ends before. */
  async said(message: string): Promise<void> {
    const isSaid = (): boolean => this.#out.includes(`"msg":"${message}"`);
    while (!isSaid()) {
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.#err}${this.#out}`);
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #wake(): void {
    const waiting = [...this.#watchers];
    this.#watchers.clear();
    for (const resolve of waiting) resolve();
  }
}

/** Runs a command to its end. */
export async function run(
  argv: readonly string[],
  cwd: string,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  await using program = new Program(argv, { cwd });
  const code = await program.ended();
  return { code, out: program.out, err: program.err };
}
