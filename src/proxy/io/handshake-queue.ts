import type { Socket } from "node:net";
import { setImmediate } from "node:timers";
import { handshakeTimeoutMs } from "./agent-tls.ts";

// Handshakes begun in one turn of the event loop. Half a millisecond each: 1,000 hellos of a fleet that
// returns at once stopped everything else for a second.
const handshakesPerTurn = 8;

export interface HandshakeQueueOptions {
  /** Connections that have proven nothing yet; over it the oldest goes. */
  readonly max: number;
  readonly begin: (socket: Socket) => void;
  readonly onDropped: (reason: string) => void;
}

/** Connections that have proven nothing yet: how many there may be, and when each begins its handshake. */
export class HandshakeQueue {
  readonly #options: HandshakeQueueOptions;
  /** By remote address, oldest first. */
  readonly #unproven = new Map<string, Socket>();
  /** Those that have not begun. */
  #waiting: Socket[] = [];

  constructor(options: HandshakeQueueOptions) {
    this.#options = options;
  }

  enter(remote: string, socket: Socket): void {
    socket.once("close", () => {
      if (this.#unproven.get(remote) === socket) this.#unproven.delete(remote);
    });
    this.#makeRoom();
    this.#unproven.set(remote, socket);
    socket.setTimeout(handshakeTimeoutMs, () => socket.destroy());
    // TLS that is given the hello reads into as much memory as that took, 2 kB; TLS that has to fetch it takes 64 kB,
    // and either keeps it as long as the connection lives.
    socket.once("readable", () => this.#enqueue(socket));
  }

  /** It counts no more. */
  proven(remote: string): void {
    this.#unproven.delete(remote);
  }

  /** Whoever waits longest goes first, as at a gateway. */
  #makeRoom(): void {
    const [oldest] = this.#unproven;
    if (oldest === undefined || this.#unproven.size < this.#options.max) return;
    this.#unproven.delete(oldest[0]);
    this.#options.onDropped("others came after it and it had proven nothing");
    oldest[1].destroy();
  }

  #enqueue(socket: Socket): void {
    socket.setTimeout(0);
    this.#waiting.push(socket);
    if (this.#waiting.length === 1) setImmediate(() => this.#beginHandshakes());
  }

  #beginHandshakes(): void {
    for (const socket of this.#waiting.splice(0, handshakesPerTurn)) {
      if (!socket.destroyed) this.#options.begin(socket);
    }
    if (this.#waiting.length > 0) setImmediate(() => this.#beginHandshakes());
  }
}
