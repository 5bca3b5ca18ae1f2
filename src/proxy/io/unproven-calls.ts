import type { TLSSocket } from "node:tls";
import { type ConnectionInjector, Server, ServerCredentials } from "@grpc/grpc-js";
import { unprovenGrpcOptions } from "./grpc-options.ts";

// There is one call to make, and it takes a second at most.
const lifeMs = 15_000;

/**
 * What connections without a certificate may call: a gRPC server of their own, so that nothing else of the
 * agent's is within their reach. How many there may be is for whoever accepts them.
 */
export class UnprovenCalls {
  readonly #grpc: Server;
  readonly #injector: ConnectionInjector;

  constructor(register: (server: Server) => void) {
    this.#grpc = new Server(unprovenGrpcOptions);
    register(this.#grpc);
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Takes the connection over, for a few seconds. */
  serve(socket: TLSSocket): void {
    const timer = setTimeout(() => socket.destroy(), lifeMs).unref();
    socket.once("close", () => clearTimeout(timer));
    this.#injector.injectConnection(socket);
  }

  drain(graceMs: number): void {
    this.#injector.drain(graceMs);
  }

  close(): void {
    this.#grpc.forceShutdown();
  }
}
