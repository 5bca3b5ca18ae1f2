import { once } from "node:events";
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import {
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from "node:tls";
import { type ConnectionInjector, Server, ServerCredentials } from "@grpc/grpc-js";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import { peerChain } from "../../mesh/peer-chain.ts";
import type { Clock, IdentitySource, Log, Peer, VerifyPeer } from "../../mesh/ports.ts";
import { Admission } from "../../xds/admission.ts";
import { addressOf } from "../identity/remote-address.ts";
import { PeerCount, type PeerLimits } from "../peer-limits.ts";
import { agentTls } from "./agent-tls.ts";
import { grpcOptions } from "./grpc-options.ts";
import { HandshakeQueue } from "./handshake-queue.ts";
import type { HttpsCalls } from "./identity/https-calls.ts";
import { UnprovenCalls } from "./unproven-calls.ts";

export interface AgentServerOptions {
  readonly listen: HostPort;
  readonly identity: IdentitySource;
  readonly verifyPeer: VerifyPeer;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each connection that was closed because its peer is not to be trusted. */
  readonly onRefused?: (reason: string) => void;
  /** Adds services before the port opens. */
  readonly register: (server: Server) => void;
  /**
   * Adds what callers without a certificate may call, and nothing else: they meet a server of their own.
   * Absent: they are turned away.
   */
  readonly registerUnproven?: (server: Server) => void;
  /** Takes connections that speak no HTTP/2, with or without a certificate. Absent: they are turned away. */
  readonly https?: Pick<HttpsCalls, "serve">;
  /** Connections that have proven nothing yet; over it the oldest goes. Default 4,096. */
  readonly maxUnproven?: number;
  /** Connections that one peer may hold. */
  readonly peerLimits?: Partial<PeerLimits>;
  /** Called for each connection that was closed because its peer has its share. */
  readonly onLimit?: () => void;
}

interface Connection {
  readonly socket: TLSSocket;
  readonly chain: readonly Uint8Array[];
  peer: Peer;
}

// Beyond the largest member we measured, and far below what the process may open.
const maxConnections = 20_000;
// A fleet that returns at once fits; whoever opens connections and says nothing keeps nobody out, and
// holds no more memory than this many handshakes.
const defaultMaxUnproven = 4096;
// An expired certificate ends its connection this soon; the client comes back with its new one.
const sweepEveryMs = 5000;
const refusalLogs = { perSecond: 1, burst: 20 };

// A quarter of what the port takes: an identity may stand for a whole deployment, and still leaves room for
// the others. A certificate is one workload, with a worker for each core and what it just left behind.
const defaultPeerLimits: PeerLimits = { perIdentity: 5000, perCertificate: 64 };

/**
 * The agent's gRPC port: TLS of our own before gRPC, because the library shows a leaf at most, and which
 * issuer vouched for it decides which member's names it may carry.
 */
export class AgentServer implements AsyncDisposable {
  readonly #options: AgentServerOptions;
  readonly #tcp: TcpServer;
  readonly #tls: TlsServer;
  readonly #grpc: Server;
  readonly #injector: ConnectionInjector;
  /** Undefined: who shows no certificate is turned away. */
  readonly #unprovenCalls: UnprovenCalls | undefined;
  readonly #connections = new Map<string, Connection>();
  /** Those still in their handshake too: the port is not closed before all are gone. */
  readonly #sockets = new Set<Socket>();
  /** Accepted and not judged yet. */
  readonly #unproven: HandshakeQueue;
  readonly #stopRenewal: () => void;
  readonly #sweep: NodeJS.Timeout;
  readonly #logs: Admission;
  readonly #perPeer: PeerCount;
  #address: HostPort;

  private constructor(options: AgentServerOptions) {
    const { identity, clock } = options;
    this.#options = options;
    this.#address = options.listen;
    this.#logs = new Admission(refusalLogs, clock.monotonicMs());
    this.#perPeer = new PeerCount("connections", { ...defaultPeerLimits, ...options.peerLimits });
    this.#grpc = new Server(grpcOptions);
    options.register(this.#grpc);
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const { registerUnproven } = options;
    if (registerUnproven !== undefined) this.#unprovenCalls = new UnprovenCalls(registerUnproven);
    const protocols = options.https === undefined ? ["h2"] : ["http/1.1", "h2"];
    this.#tls = createTlsServer({
      ...agentTls(identity.current()),
      // Not as a list: Node copies that for each connection into a pool of 64 kB, which then lives as long as it.
      // Who offers both is a browser or a curl, and no gRPC.
      ALPNCallback: ({ protocols: offered }) => protocols.find((each) => offered.includes(each)),
    });
    this.#unproven = new HandshakeQueue({
      max: options.maxUnproven ?? defaultMaxUnproven,
      begin: (socket) => this.#tls.emit("connection", socket),
      onDropped: (reason) => options.onRefused?.(reason),
    });
    this.#tcp = createTcpServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.once("close", () => this.#sockets.delete(socket));
      this.#unproven.enter(remoteOf(socket), socket);
    });
    this.#tcp.maxConnections = maxConnections;
    this.#tls.on("secureConnection", (socket) => this.#accept(socket));
    this.#tls.on("tlsClientError", (error) => this.#refused(undefined, reasonOf(error)));
    this.#stopRenewal = identity.onChange((next) => this.#tls.setSecureContext(agentTls(next)));
    this.#sweep = setInterval(() => this.#closeExpired(), sweepEveryMs);
    this.#sweep.unref();
  }

  /** Throws MESH_LISTEN_FAILED. */
  static async listen(options: AgentServerOptions): Promise<AgentServer> {
    const server = new AgentServer(options);
    try {
      await server.#bind();
      return server;
    } catch (cause) {
      await server[Symbol.asyncDispose]();
      const where = formatHostPort(options.listen);
      throw new MeshError("MESH_LISTEN_FAILED", `Cannot listen on ${where}: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }

  /** With the port that was really bound. */
  get address(): HostPort {
    return this.#address;
  }

  /** Who stands behind a connection, by the remote address as gRPC gives it. */
  peerOf(remote: string): Peer | undefined {
    return this.#connections.get(remote)?.peer;
  }

  /** Destroys one connection, by the same key. */
  cut(remote: string): void {
    this.#connections.get(remote)?.socket.destroy();
  }

  /**
   * Judges all connected peers again, after the charter or the bundle changed: a removed identity must not
   * live on in an old connection. Returns how many were closed.
   */
  recheck(): number {
    const { verifyPeer, clock } = this.#options;
    let closed = 0;
    for (const connection of this.#connections.values()) {
      const verdict = verifyPeer(connection.chain, { nowMs: clock.nowMs() });
      if (verdict.t === "ok") connection.peer = verdict.peer;
      else {
        this.#refused(connection.socket, verdict.reason);
        closed += 1;
      }
    }
    return closed;
  }

  /** Takes no new connections, lets calls end for so long, then destroys what is left. */
  async close(graceMs: number): Promise<void> {
    this.#stopRenewal();
    clearInterval(this.#sweep);
    const closed = this.#tcp.listening ? once(this.#tcp, "close") : Promise.resolve();
    this.#tcp.close();
    this.#injector.drain(graceMs);
    this.#unprovenCalls?.drain(graceMs);
    if (graceMs > 0 && this.#sockets.size > 0) await this.#drained(graceMs);
    for (const socket of this.#sockets) socket.destroy();
    this.#grpc.forceShutdown();
    this.#unprovenCalls?.close();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  async #bind(): Promise<void> {
    const { host, port } = this.#options.listen;
    this.#tcp.listen({ host, port });
    await once(this.#tcp, "listening");
    // Only from now on: until it listens, whoever asked for it is told.
    this.#tcp.on("error", (error) =>
      this.#options.log.error({ reason: reasonOf(error) }, "Agent port failed"),
    );
    const bound = this.#tcp.address();
    if (typeof bound === "object" && bound !== null) this.#address = { host, port: bound.port };
  }

  #accept(socket: TLSSocket): void {
    socket.on("error", () => socket.destroy());
    const remote = remoteOf(socket);
    const chain = peerChain(socket);
    // It still counts among those that have proven nothing, and goes before others when there are too many.
    if (chain.length === 0 && this.#serveUnproven(socket)) return;
    this.#unproven.proven(remote);
    socket.once("close", () => {
      if (this.#connections.get(remote)?.socket === socket) this.#connections.delete(remote);
    });
    const verdict = this.#judge(socket, chain);
    if (verdict.t === "refused") return this.#refused(socket, verdict.reason);
    // Two connections cannot share both ends; if they seem to, the key would mix up their peers.
    if (this.#connections.has(remote)) return this.#refused(socket, "its address is taken");
    const entry = this.#perPeer.enter(verdict.peer);
    if (entry.t === "refused") {
      this.#options.onLimit?.();
      return this.#refused(socket, entry.reason, verdict.peer);
    }
    socket.once("close", entry.leave);
    const { peer } = verdict;
    this.#connections.set(remote, { socket, chain, peer });
    if (socket.alpnProtocol === "h2") this.#injector.injectConnection(socket);
    else this.#options.https?.serve(socket, { address: addressOf(remote), peer });
  }

  /** Whether there is something for who has no certificate. */
  #serveUnproven(socket: TLSSocket): boolean {
    const { https } = this.#options;
    if (socket.alpnProtocol === "h2") this.#unprovenCalls?.serve(socket);
    else https?.serve(socket, { address: addressOf(remoteOf(socket)), peer: undefined });
    return (socket.alpnProtocol === "h2" ? this.#unprovenCalls : https) !== undefined;
  }

  #judge(socket: TLSSocket, chain: readonly Uint8Array[]): ReturnType<VerifyPeer> {
    if (socket.alpnProtocol !== "h2" && this.#options.https === undefined) {
      return { t: "refused", reason: "it does not speak HTTP/2" };
    }
    if (chain.length === 0) return { t: "refused", reason: "it showed no certificate" };
    return this.#options.verifyPeer(chain, { nowMs: this.#options.clock.nowMs() });
  }

  #refused(socket: TLSSocket | undefined, reason: string, peer?: Peer): void {
    const { log, clock, onRefused } = this.#options;
    onRefused?.(reason);
    if (this.#logs.take(clock.monotonicMs())) {
      const fields = { remote: socket?.remoteAddress, peer: peer?.id, reason };
      log.warn(fields, "Connection to the agent refused");
    }
    socket?.destroy();
  }

  #closeExpired(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const { socket, peer } of this.#connections.values()) {
      if (peer.notAfterMs < nowMs) this.#refused(socket, "its certificate has expired");
    }
  }

  async #drained(graceMs: number): Promise<void> {
    const signal = AbortSignal.timeout(graceMs);
    const ends = [...this.#sockets].map((socket) => once(socket, "close", { signal }));
    await Promise.allSettled(ends);
  }
}

function remoteOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ""}:${socket.remotePort ?? 0}`;
}
