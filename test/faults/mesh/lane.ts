import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { type Codec, codecFor } from "./codec.ts";
import { type LanePlan, machineMs, type Sample } from "./sample.ts";

/** Whoever waits longer has given up. */
const patienceMs = 15_000;
// A proxy that only forwards bytes cannot move a connection: callers bound the life of theirs.
const requestsPerConnection = 200;

export interface LaneOptions extends LanePlan {
  readonly record: (sample: Sample) => void;
  /** Distinct for every request of a run. */
  readonly nextId: () => string;
  readonly signal: AbortSignal;
}

/** Resolves when all connections have ended their last exchange after `signal`. */
export async function runLane(options: LaneOptions): Promise<void> {
  const one = async (_: unknown, index: number): Promise<void> => {
    await new Caller(options, index).run();
  };
  await Promise.all(Array.from({ length: options.connections }, one));
}

/** One connection and its successors. */
class Caller {
  readonly #options: LaneOptions;
  readonly #codec: Codec;
  readonly #periodMs: number;
  readonly #offsetMs: number;
  #socket: Socket | undefined;
  /** Requests that the connection still has to carry. */
  #left = 0;
  #received = "";
  #settle: ((result: Result) => void) | undefined;

  constructor(options: LaneOptions, index: number) {
    this.#options = options;
    this.#codec = codecFor(options);
    this.#periodMs = (1000 * options.connections) / options.perSecond;
    this.#offsetMs = (this.#periodMs * index) / options.connections;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const firstMs = machineMs() + this.#offsetMs;
    for (let turn = 0; !signal.aborted; turn += 1) {
      const dueMs = firstMs + turn * this.#periodMs;
      const nowMs = machineMs();
      // Turns that passed while an exchange hung are not made up for.
      if (dueMs < nowMs - this.#periodMs) continue;
      if (dueMs > nowMs) await wait(dueMs - nowMs);
      await this.#exchange();
    }
    this.#forget();
  }

  async #exchange(): Promise<void> {
    const { service, kind, record } = this.#options;
    const startMs = machineMs();
    const result = await this.#ask();
    record({ service, kind, startMs, endMs: machineMs(), ...result });
    this.#left -= 1;
    const isOld = kind === "new" || (kind !== "held" && this.#left <= 0);
    if (isOld || result.failure !== undefined) this.#forget();
  }

  /** Connecting is part of the first exchange of a connection. */
  #ask(): Promise<Result> {
    return new Promise((resolve) => {
      const settle = (result: Result): void => {
        clearTimeout(timer);
        this.#settle = undefined;
        resolve(result);
      };
      const timer = setTimeout(() => settle({ failure: "no answer" }), patienceMs);
      this.#received = "";
      this.#settle = settle;
      this.#socket ??= this.#open();
      this.#socket.write(this.#codec.request(this.#options.nextId()));
    });
  }

  #open(): Socket {
    this.#left = requestsPerConnection;
    const socket = connect(this.#options.port, "127.0.0.1").setNoDelay(true);
    const ended = (reason: string): void => {
      if (this.#socket !== socket) return;
      // Between two exchanges it costs neither of them.
      this.#forget();
      this.#settle?.({ failure: reason });
    };
    return socket
      .on("data", (chunk) => this.#take(chunk))
      .on("error", (error) => ended(error.message))
      .on("end", () => ended("closed"))
      .on("close", () => ended("closed"));
  }

  #take(chunk: Buffer): void {
    this.#received += chunk.toString("latin1");
    const answer = this.#codec.read(this.#received);
    if (answer.t === "more") return;
    if (answer.t === "closing") this.#forget();
    const { who, failure } = answer;
    this.#settle?.(who === undefined ? { failure: failure ?? "no answer" } : { who });
  }

  #forget(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}

type Result = Pick<Sample, "failure" | "who">;
