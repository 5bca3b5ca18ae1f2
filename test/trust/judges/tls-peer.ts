// Both sides of a TLS 1.3 connection in which one side shows an exhibit.
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import {
  connect,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from "node:tls";
import type { Exhibit, Verdict } from "./exhibits.ts";

export interface Port extends AsyncDisposable {
  readonly port: number;
}

const word = "ok";

/** A TLS server that shows a chain and says "ok" to whoever completes the handshake. */
export async function serve(shown: Shown, trust?: { readonly ca: string }): Promise<Port> {
  const asked =
    trust === undefined ? {} : { ca: trust.ca, requestCert: true, rejectUnauthorized: true };
  const server = createServer(
    { ...shown, ...asked, minVersion: "TLSv1.3" },
    (socket: TLSSocket) => {
      socket.on("error", ignore);
      socket.resume();
      socket.end(word);
    },
  );
  server.on("tlsClientError", ignore);
  return await listening(server);
}

type Shown = Pick<SecureContextOptions, "cert" | "key">;

export function shownBy(exhibit: Exhibit): Shown {
  return { cert: exhibit.chainPem, key: exhibit.keyPem };
}

/**
 * A client that says "ok", for a server that says or echoes it. A TLS 1.3 client finishes before the
 * server has judged its certificate, so only an answer proves anything.
 */
export async function dial(
  port: number,
  options: { readonly shown?: Shown; readonly ca?: string } = {},
): Promise<Verdict> {
  const { shown, ca } = options;
  const trust = ca === undefined ? { rejectUnauthorized: false } : { ca };
  const socket = connect({
    host: "127.0.0.1",
    port,
    ...shown,
    ...trust,
    checkServerIdentity: () => undefined,
    minVersion: "TLSv1.3",
  });
  return await answerOf(socket);
}

/** The same over plain TCP. */
export async function dialPlain(port: number): Promise<Verdict> {
  return await answerOf(connectTcp({ host: "127.0.0.1", port }));
}

async function answerOf(socket: Socket): Promise<Verdict> {
  socket.on("error", ignore);
  socket.write(word);
  const answered = once(socket, "data").then(() => true);
  const closed = new Promise<boolean>((resolve) => socket.once("close", () => resolve(false)));
  const isAnswered = await Promise.race([answered.catch(() => false), closed]);
  socket.destroy();
  return isAnswered ? "ok" : "refused";
}

async function listening(server: Server): Promise<Port> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const closed = once(server, "close");
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await closed;
    },
  };
}

function ignore(): void {
  // A refused handshake is a verdict, not a failure.
}
