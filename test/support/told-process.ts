import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** A process of ours that is told what to do by messages, and answers by messages. */
export class ToldProcess<To, From extends { readonly t: string }> implements AsyncDisposable {
  readonly #process: ChildProcess;

  /** It must have been started with an IPC channel, and end when it is told `stop`. */
  constructor(started: ChildProcess) {
    this.#process = started;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  tell(message: To): void {
    this.#process.send(message as object);
  }

  /** The next message of that kind; ask for it before it can come. */
  hear<T extends From["t"]>(t: T): Promise<Extract<From, { t: T }>> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#process.off("message", onMessage);
        this.#process.off("exit", onExit);
      };
      const onMessage = (message: From): void => {
        if (message.t !== t) return;
        done();
        resolve(message as Extract<From, { t: T }>);
      };
      const onExit = (): void => {
        done();
        reject(new Error(`A process ended before it said "${t}"`));
      };
      this.#process.on("message", onMessage);
      this.#process.on("exit", onExit);
    });
  }

  /** As `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.hasEnded) return;
    const exited = once(this.#process, "exit");
    this.signal("SIGKILL");
    await exited;
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasEnded) return;
    const exited = once(this.#process, "exit");
    this.tell({ t: "stop" } as To);
    await exited;
  }
}

export function forkHere(path: string): ChildProcess {
  const profiling = process.env["PROFILE_DIR"];
  const profile = profiling === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profiling}`];
  return fork(path, { execArgv: ["--disable-warning=DEP0123", ...profile] });
}
