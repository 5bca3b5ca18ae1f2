import { once } from "node:events";
import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { type ConnectionInjector, Server, ServerCredentials } from "@grpc/grpc-js";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Log } from "../../mesh/ports.ts";
import { grpcOptions } from "./grpc-options.ts";

export interface SocketServerOptions {
  readonly path: string;
  /** 0o600: the agent's own account; 0o660: its group, too. */
  readonly mode: number;
  readonly log: Log;
  /** Adds services before the socket opens. */
  readonly register: (server: Server) => void;
  /** Default 256. */
  readonly maxConnections?: number;
}

// Programs of one machine. Whoever opens more only takes from others who may open the same file.
const defaultMaxConnections = 256;

/**
 * The agent's door for programs on this machine whose gRPC library cannot show a certificate to an xDS
 * server. Who may come in is decided by the file's owner, group and mode, and by nothing else: nobody behind
 * it has a name, so it serves what has no owner.
 */
export class SocketServer implements AsyncDisposable {
  readonly #options: SocketServerOptions;
  readonly #net: NetServer;
  readonly #grpc: Server;
  readonly #injector: ConnectionInjector;
  readonly #sockets = new Set<Socket>();

  private constructor(options: SocketServerOptions) {
    this.#options = options;
    this.#grpc = new Server(grpcOptions);
    options.register(this.#grpc);
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#net = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.once("close", () => this.#sockets.delete(socket));
      this.#injector.injectConnection(socket);
    });
    this.#net.maxConnections = options.maxConnections ?? defaultMaxConnections;
  }

  /** Throws MESH_LISTEN_FAILED; takes over what a dead agent left behind, and never what is in use. */
  static async listen(options: SocketServerOptions): Promise<SocketServer> {
    const server = new SocketServer(options);
    try {
      await removeDeadSocket(options.path);
      await server.#bind();
      return server;
    } catch (cause) {
      await server[Symbol.asyncDispose]();
      throw new MeshError(
        "MESH_LISTEN_FAILED",
        `Cannot listen on ${options.path}: ${reasonOf(cause)}`,
        { cause },
      );
    }
  }

  /** Takes no new connections, lets calls end for so long, then destroys what is left. */
  async close(graceMs: number): Promise<void> {
    const closed = this.#net.listening ? once(this.#net, "close") : Promise.resolve();
    // Removes the file, too.
    this.#net.close();
    this.#injector.drain(graceMs);
    if (graceMs > 0 && this.#sockets.size > 0) {
      const signal = AbortSignal.timeout(graceMs);
      const ends = [...this.#sockets].map((socket) => once(socket, "close", { signal }));
      await Promise.allSettled(ends);
    }
    for (const socket of this.#sockets) socket.destroy();
    this.#grpc.forceShutdown();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  async #bind(): Promise<void> {
    const { path, mode, log } = this.#options;
    const listening = once(this.#net, "listening");
    // The file appears within this call: with any other mask, anyone could connect before it is narrowed.
    const before = process.umask(0o177);
    try {
      this.#net.listen({ path });
    } finally {
      process.umask(before);
    }
    await listening;
    if (mode !== 0o600) await chmod(path, mode);
    this.#net.on("error", (error) => log.error({ reason: reasonOf(error) }, "Agent socket failed"));
  }
}

/** Throws when something else than a socket nobody answers stands there. */
async function removeDeadSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error("it exists and is no socket");
  if (await isAnswered(path)) throw new Error("another process listens there");
  await unlink(path);
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect({ path });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
