import { once } from "node:events";
import { lstat, stat, unlink } from "node:fs/promises";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { dirname } from "node:path";
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

  /**
   * Throws MESH_LISTEN_FAILED, also where others could put a socket of theirs in its place; takes over what
   * a dead agent left behind, and never what is in use.
   */
  static async listen(options: SocketServerOptions): Promise<SocketServer> {
    const server = new SocketServer(options);
    try {
      await checkFolder(dirname(options.path));
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
    // The file appears within this call, and with this mode: to change it afterwards would leave a moment in
    // which others may connect, or in which the path may lead elsewhere.
    const before = process.umask(0o777 & ~mode);
    try {
      this.#net.listen({ path });
    } finally {
      process.umask(before);
    }
    await listening;
    this.#net.on("error", (error) => log.error({ reason: reasonOf(error) }, "Agent socket failed"));
  }
}

/**
 * Whoever may write to the folder may put a socket of his own there, and be asked by all programs instead of
 * the agent. Sticky folders are shared ones in which only the owner may replace a file.
 */
async function checkFolder(folder: string): Promise<void> {
  const { mode, uid } = await stat(folder);
  const octal = `0${(mode & 0o7777).toString(8)}`;
  if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) {
    throw new Error(
      `others may replace files in its folder (mode ${octal}); use one that only this user may write to`,
    );
  }
  const own = process.getuid?.();
  if (own !== undefined && uid !== own && uid !== 0) {
    throw new Error(`its folder belongs to another user (uid ${uid})`);
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
