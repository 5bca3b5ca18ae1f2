import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { MeshError, reasonOf } from "../../mesh/errors.ts";
import type { Clock } from "../../mesh/ports.ts";
import type { Telemetry } from "../../telemetry/registry.ts";
import { type Answered, type AnswerOptions, answerMessage } from "../dns/answer.ts";
import { createAnswerPace } from "../dns/answer-pace.ts";
import { createTcpFrames, framed } from "../dns/tcp-frames.ts";
import { rcode } from "../dns/wire.ts";

export interface DnsServerOptions extends AnswerOptions {
  /** Port 0: any that is free for UDP and TCP alike. */
  readonly listen: HostPort;
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, "count">;
  readonly limits?: Partial<DnsLimits>;
}

export interface DnsLimits {
  readonly answersPerSecond: number;
  readonly connections: number;
  readonly idleMs: number;
}

const dnsLimits: DnsLimits = {
  // Of a few records, and a fifth of a core at most: the process that answers also steers proxies. Resolvers keep
  // answers for seconds, so a cluster asks for a fraction of it.
  answersPerSecond: 5000,
  // Resolvers keep a few, and only for answers that no datagram holds.
  connections: 128,
  // Source: RFC 7766 section 6.2.3 asks for seconds.
  idleMs: 10_000,
};

/** An authoritative name server for the names of imported services. */
export interface DnsServer extends AsyncDisposable {
  readonly address: HostPort;
}

/** Resolves when both sockets are bound. Throws MESH_LISTEN_FAILED. */
export async function startDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { listen } = options;
  const answerer = createAnswerer(options);
  const idleMs = options.limits?.idleMs ?? dnsLimits.idleMs;
  const connections = options.limits?.connections ?? dnsLimits.connections;
  await using undo = new AsyncDisposableStack();
  try {
    const bound = await bindBoth(listen);
    undo.defer(() => closeUdp(bound.udp));
    const open = new Set<Socket>();
    undo.defer(() => closeTcp(bound.tcp, open));
    serveUdp(bound.udp, answerer);
    serveTcp(bound.tcp, { ...answerer, open, idleMs, connections });
    const owned = undo.move();
    return {
      address: { host: listen.host, port: bound.port },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  } catch (cause) {
    const where = formatHostPort(listen);
    const message = `Cannot answer DNS on ${where}: ${reasonOf(cause)}`;
    throw new MeshError("MESH_LISTEN_FAILED", message, { cause });
  }
}

// As long as eight records take, headers and all: an answer of a thousand costs what 125 small ones cost.
const recordsPerAnswer = 8;
// Answers that are written and not read; whoever has so many of them waiting reads none.
const maxUnreadBytes = 256 * 1024;

type Transport = "udp" | "tcp";
type Dropped = "malformed" | "too many" | "too slow" | "unsent";

interface Answerer {
  /** Undefined: no answer. `asker`: its IP address. */
  readonly answer: (
    message: Uint8Array,
    from: { readonly transport: Transport; readonly asker: string },
  ) => Uint8Array | undefined;
  readonly drop: (reason: Dropped) => void;
}

function createAnswerer(options: DnsServerOptions): Answerer {
  const { clock, telemetry, zones, services } = options;
  const perSecond = options.limits?.answersPerSecond ?? dnsLimits.answersPerSecond;
  // What a hundred pods ask that start at once.
  const pace = createAnswerPace({ burst: perSecond / 2, perSecond });
  const drop = (reason: Dropped): void => telemetry.count("dnsDropped", { reason });
  let turn = 0;
  return {
    drop,
    answer: (message, { transport, asker }) => {
      if (!pace.isDue(asker, clock.monotonicMs())) {
        drop("too many");
        return undefined;
      }
      turn = (turn + 1) & 0xffff;
      const answered = answerMessage(message, { zones, services, transport, turn });
      pace.charge(asker, Math.floor(answered.records / recordsPerAnswer));
      if (answered.message === undefined) drop("malformed");
      else telemetry.count("dnsAnswers", { transport, outcome: outcomeOf(answered) });
      return answered.message;
    },
  };
}

const outcomes: Readonly<Record<number, string>> = {
  [rcode.ok]: "ok",
  [rcode.noSuchName]: "no such name",
  [rcode.serverFailure]: "not known yet",
  [rcode.refused]: "refused",
  [rcode.notImplemented]: "not implemented",
};

function outcomeOf(answered: Answered): string {
  return outcomes[answered.rcode] ?? "malformed";
}

function serveUdp(socket: UdpSocket, { answer, drop }: Answerer): void {
  socket.on("message", (message, from) => {
    const reply = answer(message, { transport: "udp", asker: from.address });
    if (reply === undefined) return;
    // The asker may be gone, or out of reach: nobody waits for this.
    socket.send(reply, from.port, from.address, (failed) => {
      if (failed !== null) drop("unsent");
    });
  });
  // Errors of single datagrams, such as a port that is closed again.
  socket.on("error", () => drop("unsent"));
}

function serveTcp(
  server: Server,
  how: Answerer & {
    readonly open: Set<Socket>;
    readonly idleMs: number;
    readonly connections: number;
  },
): void {
  const { open } = how;
  server.on("connection", (socket) => {
    open.add(socket);
    // The one that has been there longest: who holds connections for nothing loses them first.
    const [oldest] = open;
    if (open.size > how.connections && oldest !== undefined) {
      how.drop("too many");
      oldest.destroy();
    }
    serveConnection(socket, how);
    socket.on("close", () => open.delete(socket));
  });
  server.on("error", () => how.drop("unsent"));
}

function serveConnection(
  socket: Socket,
  { answer, drop, idleMs }: Answerer & { readonly idleMs: number },
): void {
  const frames = createTcpFrames();
  const from = { transport: "tcp", asker: socket.remoteAddress ?? "" } as const;
  // Bytes alone do not prolong it: only whole questions do.
  const deadline = setTimeout(() => {
    drop("too slow");
    socket.destroy();
  }, idleMs);
  socket.on("data", (chunk) => {
    const messages = frames.push(chunk);
    if (messages === undefined) {
      drop("malformed");
      socket.destroy();
      return;
    }
    if (messages.length > 0) deadline.refresh();
    for (const message of messages) {
      const reply = answer(message, from);
      // Nobody waits in vain on a connection that is open.
      if (reply === undefined) return void socket.destroy();
      if (socket.writableLength > maxUnreadBytes) {
        drop("too slow");
        return void socket.destroy();
      }
      if (!socket.write(framed(reply))) socket.pause();
    }
  });
  socket.on("drain", () => socket.resume());
  socket.on("error", () => socket.destroy());
  socket.on("close", () => clearTimeout(deadline));
}

interface Bound {
  readonly udp: UdpSocket;
  readonly tcp: Server;
  readonly port: number;
}

// Of the free ports of one kind hardly any is taken for the other.
const maxTries = 8;

async function bindBoth(listen: HostPort, tries = maxTries): Promise<Bound> {
  const udp = createSocket(listen.host.includes(":") ? "udp6" : "udp4");
  try {
    await new Promise<void>((resolve, reject) => {
      udp.once("error", reject);
      udp.bind({ port: listen.port, address: listen.host, exclusive: true }, resolve);
    });
    udp.removeAllListeners("error");
    const { port } = udp.address();
    const tcp = createServer();
    await new Promise<void>((resolve, reject) => {
      tcp.once("error", reject);
      tcp.listen({ port, host: listen.host, exclusive: true }, resolve);
    });
    tcp.removeAllListeners("error");
    return { udp, tcp, port };
  } catch (thrown) {
    await closeUdp(udp);
    if (listen.port !== 0 || tries <= 1) throw thrown;
    return bindBoth(listen, tries - 1);
  }
}

function closeUdp(socket: UdpSocket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(resolve);
    } catch {
      // It was closed before.
      resolve();
    }
  });
}

function closeTcp(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of open) socket.destroy();
  });
}
