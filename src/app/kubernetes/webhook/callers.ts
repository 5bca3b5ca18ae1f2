import type { Socket } from "node:net";

/**
 * Connections of anybody, for who calls a webhook shows no certificate. Whoever holds one for nothing, or sends a
 * body without end, keeps nobody out: the one that began first goes when there are too many, or when they
 * have sent too much together.
 */
export class Callers {
  readonly #limits: CallerLimits;
  /** In order of arrival. */
  readonly #open = new Set<Socket>();
  /** Bytes of bodies that are not whole yet, in order of their beginning. */
  readonly #held = new Map<Socket, number>();
  #heldBytes = 0;

  constructor(limits: CallerLimits) {
    this.#limits = limits;
  }

  /** Before its handshake. */
  enter(socket: Socket): void {
    const [oldest] = this.#open;
    if (this.#open.size >= this.#limits.connections) oldest?.destroy();
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
  }

  /** All of them, those in their handshake too. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** A part of a body came. Has to be released. */
  hold(socket: Socket, bytes: number): void {
    this.#held.set(socket, (this.#held.get(socket) ?? 0) + bytes);
    this.#heldBytes += bytes;
    const [oldest] = this.#held.keys();
    if (this.#heldBytes <= this.#limits.bodyBytes || oldest === undefined) return;
    this.release(oldest);
    oldest.destroy();
  }

  /** The body is whole, or nobody waits for it any more. */
  release(socket: Socket): void {
    this.#heldBytes -= this.#held.get(socket) ?? 0;
    this.#held.delete(socket);
  }
}

export interface CallerLimits {
  readonly connections: number;
  /** Of all bodies together. */
  readonly bodyBytes: number;
}
