import { createServer, type Server } from "node:net";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { MeshError } from "../../mesh/errors.ts";
import type { ListenerModel } from "../config/model.ts";
import { accept } from "./accept.ts";
import type { EngineContext, ListenerView } from "./context.ts";

/** One bound port. Its filter chains may be replaced at any time; connections keep theirs. */
export class ListenerSocket {
  readonly #context: EngineContext;
  readonly #server: Server;
  #model: ListenerModel;
  #address: HostPort | undefined;

  private constructor(context: EngineContext, model: ListenerModel) {
    this.#context = context;
    this.#model = model;
    this.#server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      // Where no byte decides anything, none is read before an upstream is there to take it.
      pauseOnConnect:
        model.inspector === undefined && model.chains.every(({ tls }) => tls === undefined),
    });
    this.#server.on("connection", (raw) => accept(this.#context, { raw, listener: this.#view() }));
  }

  /** Throws MESH_LISTEN_FAILED naming the listener and its port. */
  static async open(
    context: EngineContext,
    { model, reusePort }: { readonly model: ListenerModel; readonly reusePort: boolean },
  ): Promise<ListenerSocket> {
    const listener = new ListenerSocket(context, model);
    await listener.#listen(reusePort);
    return listener;
  }

  /** Where it really listens: port 0 has become a number. */
  get address(): HostPort {
    return this.#address ?? this.#model.bind;
  }

  get model(): ListenerModel {
    return this.#model;
  }

  /** False: the new model needs a socket of another kind. */
  update(model: ListenerModel): boolean {
    if (socketOf(model) !== socketOf(this.#model)) return false;
    this.#model = model;
    return true;
  }

  /** Accepts no more; connections live on. */
  close(): void {
    this.#server.close();
  }

  #view(): ListenerView {
    return this.#model;
  }

  #listen(reusePort: boolean): Promise<void> {
    const { name, bind, backlog } = this.#model;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const truth = cause.code === "EADDRINUSE" ? "the port is taken" : cause.message;
        const text = `Cannot listen on ${formatHostPort(bind)} for listener "${name}": ${truth}`;
        reject(new MeshError("MESH_LISTEN_FAILED", text, { cause }));
      });
      server.listen({ host: bind.host, port: bind.port, backlog, reusePort }, () => {
        const bound = server.address();
        if (bound !== null && typeof bound === "object") {
          this.#address = { host: bound.address, port: bound.port };
        }
        server.removeAllListeners("error");
        // Accept errors (no file descriptors left) pass by themselves.
        server.on("error", () => {});
        resolve();
      });
    });
  }
}

/** Equal texts: one socket serves both. */
function socketOf(model: ListenerModel): string {
  const isPaused =
    model.inspector === undefined && model.chains.every(({ tls }) => tls === undefined);
  return `${formatHostPort(model.bind)} ${model.backlog} ${isPaused}`;
}
