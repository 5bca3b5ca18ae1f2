import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Answer, Ask, Seen, Serve, Told } from "./inside.ts";
import type { Pods } from "./pods.ts";

const inside = fileURLToPath(new URL("inside.ts", import.meta.url));

/** An application inside a pod, or whoever calls from there. */
export class PodApp implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (said: string) => void>();
  #next = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", ({ id, said }: Answer) => {
      this.#waiting.get(id)?.(said);
      this.#waiting.delete(id);
    });
  }

  static async start<Name extends string>(pods: Pods<Name>, where: Name | "node"): Promise<PodApp> {
    const child = pods.spawn(where, [process.execPath, inside], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    await once(child, "message");
    return new PodApp(child);
  }

  async serve(what: Omit<Serve, "t">): Promise<void> {
    const said = await this.#tell({ t: "serve", ...what });
    if (said !== "serves") throw new Error(`${what.name} does not serve: ${said}`);
  }

  /** What came back, or `error: …`. */
  ask(what: Omit<Ask, "t">): Promise<string> {
    return this.#tell({ t: "ask", ...what });
  }

  /** What an HTTP server of ours says of the request; rejects when there was no answer. */
  async see(what: Omit<Ask, "t" | "kind">): Promise<Seen> {
    const said = await this.ask({ kind: "http", ...what });
    if (said.startsWith("error:")) throw new Error(`${what.host}:${what.port}: ${said}`);
    return JSON.parse(said) as Seen;
  }

  /** Opens a connection that stays; `say` is one more line on it. */
  hold(what: { readonly host: string; readonly port: number }): Promise<string> {
    return this.#tell({ t: "hold", ...what });
  }

  say(): Promise<string> {
    return this.#tell({ t: "say" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #tell(told: Told): Promise<string> {
    const id = this.#next;
    this.#next += 1;
    const answered = new Promise<string>((resolve) => this.#waiting.set(id, resolve));
    this.#child.send({ ...told, id });
    return answered;
  }
}
