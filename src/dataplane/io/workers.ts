import { Worker } from "node:worker_threads";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Identity } from "../../mesh/ports.ts";
import { addCounters } from "../counters.ts";
import type { EngineOptions, EngineStatus } from "./engine.ts";

/** What crosses the border between threads: plain data only. */
export type ToWorker =
  | { readonly t: "identity"; readonly identity: PlainIdentity }
  | { readonly t: "drain"; readonly graceMs: number }
  | { readonly t: "close" };

export type FromWorker =
  | { readonly t: "ready" }
  | { readonly t: "failed"; readonly reason: string }
  | { readonly t: "status"; readonly status: EngineStatus };

/** The key as text: it stays in this process's memory and passes no file. */
export type PlainIdentity = Omit<Identity, "privateKeyPem"> & { readonly privateKeyText: string };

export interface WorkerStart
  extends Pick<EngineOptions, "node" | "agent" | "otherAgents" | "agentId" | "limits"> {
  readonly isthmusEngine: true;
  readonly identity: PlainIdentity;
}

export interface WorkersOptions
  extends Pick<
    EngineOptions,
    "node" | "agent" | "otherAgents" | "agentId" | "identity" | "limits" | "log"
  > {
  /** 2 or more; for one, the engine itself needs no thread. */
  readonly count: number;
  /** A module that calls `serveEngineWorker`. */
  readonly entry: URL;
}

// A worker that dies at once must not spin.
const restartMs = 1_000;

/**
 * Several engines on the same ports, one thread each, each with its own xDS stream. The kernel deals
 * out the connections. The same face as one `Engine`; counters are a second old at most.
 */
export class EngineWorkers {
  /** Resolves when every worker is ready; rejects with the first failure. */
  readonly ready: Promise<void>;
  readonly #options: WorkersOptions;
  readonly #workers = new Map<number, Worker>();
  readonly #statuses = new Map<number, EngineStatus>();
  readonly #unsubscribe: () => void;
  readonly #restarts = new Set<NodeJS.Timeout>();
  readonly #readiness: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #isClosing = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.ready = this.#readiness.promise;
    this.ready.catch(() => {});
    this.#unsubscribe = options.identity.onChange((identity) => {
      this.#tell({ t: "identity", identity: plainIdentity(identity) });
    });
    const indices = Array.from({ length: options.count }, (_, index) => index);
    const waiting = new Set(indices);
    for (const index of indices) {
      this.#start(index, () => {
        waiting.delete(index);
        if (waiting.size === 0) this.#readiness.resolve();
      });
    }
  }

  status(): EngineStatus {
    const all = [...this.#statuses.values()];
    return {
      isReady: all.length === this.#options.count && all.every(({ isReady }) => isReady),
      isConnected: all.some(({ isConnected }) => isConnected),
      listeners: all[0]?.listeners ?? [],
      counters: addCounters(all.map(({ counters }) => counters)),
    };
  }

  /** As `Engine.drain`, in all workers at once. */
  async drain(graceMs: number): Promise<void> {
    await this.#end({ t: "drain", graceMs });
  }

  async close(): Promise<void> {
    await this.#end({ t: "close" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(message: ToWorker): Promise<void> {
    this.#isClosing = true;
    this.#unsubscribe();
    for (const timer of this.#restarts) clearTimeout(timer);
    const exits = [...this.#workers.values()].map(
      (worker) => new Promise((resolve) => worker.once("exit", resolve)),
    );
    this.#tell(message);
    await Promise.all(exits);
  }

  #tell(message: ToWorker): void {
    for (const worker of this.#workers.values()) worker.postMessage(message);
  }

  #start(index: number, onReady: () => void): void {
    const { entry, node, agent, otherAgents = [], agentId, limits, identity, log } = this.#options;
    const workerData: WorkerStart = {
      isthmusEngine: true,
      node: { ...node, id: `${node.id}-${index}` },
      agent,
      otherAgents,
      agentId,
      ...(limits === undefined ? {} : { limits }),
      identity: plainIdentity(identity.current()),
    };
    const worker = new Worker(entry, { workerData, name: `engine-${index}` });
    this.#workers.set(index, worker);
    worker.on("message", (message: FromWorker) => {
      if (message.t === "status") this.#statuses.set(index, message.status);
      else if (message.t === "ready") onReady();
      else this.#readiness.reject(new MeshError("MESH_LISTEN_FAILED", message.reason));
    });
    worker.on("error", (cause) => {
      log.error(
        { err: cause, worker: index, reason: reasonOf(cause) },
        "Worker failed, starting another",
      );
    });
    worker.on("exit", () => {
      this.#workers.delete(index);
      if (!this.#isClosing) this.#restart(index, onReady);
    });
  }

  #restart(index: number, onReady: () => void): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      this.#start(index, onReady);
    }, restartMs);
    this.#restarts.add(timer);
  }
}

function plainIdentity({ privateKeyPem, ...identity }: Identity): PlainIdentity {
  return { ...identity, privateKeyText: privateKeyPem.reveal() };
}
