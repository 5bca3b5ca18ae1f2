import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { Engine, type EngineOptions } from "../../../src/dataplane/io/engine.ts";
import { parseSpiffeId, type SpiffeId } from "../../../src/mesh/ids.ts";
import type { Clock, Identity, IdentitySource, Log } from "../../../src/mesh/ports.ts";
import { spiffeIdOf } from "./certificates.ts";

export const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
export const realClock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
export const agentId: SpiffeId = parseSpiffeId("spiffe://east.acme.mesh/isthmus/agent");

export function startEngine(
  options: Pick<EngineOptions, "identity"> & { agentPort: number } & Partial<EngineOptions>,
): Engine {
  const { agentPort, ...rest } = options;
  return new Engine({
    node: { id: "gateway/isthmus/gw/1", metadata: { role: "gateway" } },
    agent: { host: "127.0.0.1", port: agentPort },
    agentId,
    spiffeIdOf,
    log: silent,
    clock: realClock,
    random: Math.random,
    ...rest,
  });
}

export function portOf(engine: Engine, name: string): number {
  const port = engine.status().listeners.find((listener) => listener.name === name)?.address.port;
  if (port === undefined) throw new Error(`no listener ${name}`);
  return port;
}

export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly sockets: Set<Socket>;
}

/** Serves each connection with `serve`; half-open is allowed. */
export async function tcpServer(serve: (socket: Socket) => void, port = 0): Promise<TestServer> {
  return listening(createServer({ allowHalfOpen: true }), { serve, port });
}

export async function mtlsServer(
  identity: Identity,
  serve: (socket: TLSSocket) => void,
): Promise<TestServer> {
  const server = createTlsServer({
    allowHalfOpen: true,
    cert: identity.certChainPem,
    key: identity.privateKeyPem.reveal(),
    ca: identity.bundlePem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    serve(socket);
  });
  return listening(server, { serve: () => {}, port: 0 });
}

async function listening(
  server: Server,
  { serve, port }: { serve: (socket: Socket) => void; port: number },
): Promise<TestServer> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    serve(socket);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const { port: bound } = server.address() as AddressInfo;
  return {
    port: bound,
    sockets,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export function echo(socket: Socket): void {
  socket.pipe(socket);
}

export function dial(port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  return socket;
}

export function dialTls(
  port: number,
  { identity, sni }: { identity: IdentitySource | Identity; sni: string },
): TLSSocket {
  const own = "current" in identity ? identity.current() : identity;
  const socket = connectTls({
    port,
    host: "127.0.0.1",
    servername: sni,
    cert: own.certChainPem,
    key: own.privateKeyPem.reveal(),
    ca: own.bundlePem,
    minVersion: "TLSv1.3",
    ecdhCurve: "X25519MLKEM768:X25519",
    checkServerIdentity: () => undefined,
  });
  socket.on("error", () => {});
  return socket;
}

/** How a connection ended, and what was read until then. */
export async function endOf(socket: Socket): Promise<{ text: string; wasReset: boolean }> {
  const chunks: Buffer[] = [];
  let wasReset = false;
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("end", () => socket.end());
  socket.on("error", () => {
    wasReset = true;
  });
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return { text: Buffer.concat(chunks).toString("latin1"), wasReset };
}

/** Sends and waits until as many bytes came back. */
export async function exchange(socket: Socket, text: string): Promise<string> {
  let got = "";
  socket.write(text);
  while (got.length < text.length) {
    const [chunk] = (await Promise.race([
      once(socket, "data"),
      once(socket, "close").then(() => ["\u0000closed"]),
    ])) as [Buffer | string];
    if (chunk === "\u0000closed") throw new Error(`closed after "${got}"`);
    got += chunk.toString();
  }
  return got;
}
