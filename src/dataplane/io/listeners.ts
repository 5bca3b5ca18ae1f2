import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { ListenerModel } from "../config/model.ts";
import { isListenerWarm } from "../config/state.ts";
import type { EngineContext } from "./context.ts";
import { ListenerSocket } from "./listener-socket.ts";
import { closeForbidden } from "./take-delta.ts";

// A port may be free again soon: an old process that is going.
const retryMs = 1_000;

/** Keeps the bound ports in step with the listeners of the configuration that are warm. */
export class Listeners {
  readonly #context: EngineContext;
  readonly #reusePort: boolean;
  readonly #onFailure: (error: MeshError) => void;
  readonly #onWhole: () => void;
  readonly #open = new Map<string, ListenerSocket>();
  /** Opened one after the other, so that a later configuration wins. */
  #work: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: {
    readonly context: EngineContext;
    readonly reusePort: boolean;
    /** A port could not be had; it is tried again. */
    readonly onFailure: (error: MeshError) => void;
    /** Every listener of the configuration listens. */
    readonly onWhole: () => void;
  }) {
    this.#context = options.context;
    this.#reusePort = options.reusePort;
    this.#onFailure = options.onFailure;
    this.#onWhole = options.onWhole;
  }

  [Symbol.iterator](): MapIterator<[string, ListenerSocket]> {
    return this.#open.entries();
  }

  /** Opens what became warm, replaces what changed and closes what went. */
  refresh(): void {
    this.#work = this.#work.then(() => this.#refresh());
  }

  /** Accepts no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    for (const name of this.#open.keys()) this.#drop(name);
    await this.#work;
  }

  async #refresh(): Promise<void> {
    const { config } = this.#context;
    if (this.#isClosed || !config.answered.has("listener")) return;
    const gone = [...this.#open.keys()].filter((name) => !config.listener.has(name));
    for (const name of gone) this.#drop(name);
    let isWhole = true;
    for (const { model } of config.listener.values()) {
      if (model === undefined || this.#open.get(model.name)?.model === model) continue;
      if (!isListenerWarm(config, model) || !(await this.#replace(model))) isWhole = false;
    }
    if (isWhole && !this.#isClosed) this.#onWhole();
  }

  /** False: the port could not be had. An earlier listener on another port keeps serving. */
  async #replace(model: ListenerModel): Promise<boolean> {
    const old = this.#open.get(model.name);
    if (old?.update(model)) {
      closeForbidden(this.#context, model);
      return true;
    }
    // The same port with another kind of socket: the old one has to go first.
    if (old?.model.bind.port === model.bind.port) this.#drop(model.name);
    try {
      const reusePort = this.#reusePort;
      const listener = await ListenerSocket.open(this.#context, { model, reusePort });
      this.#drop(model.name);
      closeForbidden(this.#context, model);
      if (this.#isClosed) listener.close();
      else this.#open.set(model.name, listener);
      return true;
    } catch (cause) {
      this.#fail(model, cause);
      return false;
    }
  }

  #fail({ name }: ListenerModel, cause: unknown): void {
    const reason = reasonOf(cause);
    this.#context.log.error({ err: cause, listener: name, reason }, "Cannot listen, trying again");
    const isNamed = cause instanceof MeshError;
    this.#onFailure(isNamed ? cause : new MeshError("MESH_LISTEN_FAILED", reason, { cause }));
    clearTimeout(this.#retry);
    if (!this.#isClosed) this.#retry = setTimeout(() => this.refresh(), retryMs);
  }

  #drop(name: string): void {
    this.#open.get(name)?.close();
    this.#open.delete(name);
  }
}
