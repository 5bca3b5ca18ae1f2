import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { MeshError } from "../../mesh/errors.ts";
import { programDir } from "../program-dir.ts";
import type { FromPart, Part, ToPart } from "./part-messages.ts";
import type { Sample } from "./samples.ts";

export interface ChildPartOptions {
  readonly part: Part;
  /** Where the process writes its log. */
  readonly logFile: string;
  readonly onSamples: (samples: readonly Sample[]) => void;
  /** Called with a sentence when a process ends that nobody ended. */
  readonly onLost: (reason: string) => void;
}

/** One process of the demo, started empty so that its start-up overlaps with everything else. */
export class ChildPart implements AsyncDisposable {
  readonly name: string;
  readonly #part: Part;
  readonly #child: ChildProcess;
  readonly #ended = Promise.withResolvers<void>();
  readonly #ready = Promise.withResolvers<void>();
  #pids: readonly number[] = [];
  #isExpected = false;

  constructor(name: string, options: ChildPartOptions) {
    this.name = name;
    this.#part = options.part;
    // The program runs itself again, with a hidden command, whoever started it here.
    const entry = join(programDir(), "bin/isthmus.mjs");
    this.#child = fork(entry, ["demo-part", options.part.t, options.logFile], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child.on("message", (message: FromPart) => this.#take(message, options));
    this.#child.once("error", (error) => this.#fail(error.message));
    this.#child.once("exit", (code, signal) => {
      this.#ended.resolve();
      const reason = `its process ended with ${signal ?? `exit code ${String(code)}`}`;
      this.#fail(reason);
      if (!this.#isExpected)
        options.onLost(`Cannot go on without part "${name}" of the demo: ${reason}`);
    });
    // Nobody may be waiting yet when a start fails; whoever asks later still gets the reason.
    this.#ready.promise.catch(() => undefined);
  }

  /** Resolves when the part runs; throws MESH_INTERNAL with the child's reason. */
  start(): Promise<void> {
    this.#tell({ t: "start", part: this.#part });
    return this.#ready.promise;
  }

  drain(service: string, options: { readonly isOn: boolean }): void {
    this.#tell({ t: "drain", service, isOn: options.isOn });
  }

  startLoad(): void {
    this.#tell({ t: "load" });
  }

  /** As a host dies: no goodbye, all at once, the kernel resets its connections. */
  async kill(): Promise<void> {
    this.#isExpected = true;
    this.#signal("SIGKILL");
    await this.#ended.promise;
  }

  /** As a process hangs: its kernel still accepts connections and acknowledges bytes. */
  freeze(): void {
    this.#signal("SIGSTOP");
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isExpected = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.thaw();
    this.#tell({ t: "stop" });
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
    await this.#ended.promise;
    clearTimeout(timer);
  }

  #take(message: FromPart, options: ChildPartOptions): void {
    switch (message.t) {
      case "ready":
        this.#pids = message.pids;
        return this.#ready.resolve();
      case "failed":
        return this.#fail(message.reason);
      case "samples":
        return options.onSamples(message.samples);
    }
  }

  #fail(reason: string): void {
    const message = `Cannot run part "${this.name}" of the demo: ${reason}`;
    this.#ready.reject(new MeshError("MESH_INTERNAL", message));
  }

  /** To its Envoys as well. */
  #signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    for (const pid of this.#pids) send(pid, name);
    this.#child.kill(name);
  }

  #tell(message: ToPart): void {
    if (this.#child.connected) this.#child.send(message);
  }
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself, and its launcher has started another.
  }
}
