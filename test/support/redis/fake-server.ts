import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** What a made-up server says to a command; undefined: nothing, for ever. */
export type Answer = (command: readonly string[], socket: Socket) => Buffer | string | undefined;

/** A server that speaks Redis as badly as a test wants it to. */
export interface FakeServer extends AsyncDisposable {
  readonly port: number;
  /** All commands of all connections, in the order of their arrival. */
  readonly commands: readonly (readonly string[])[];
  readonly connections: () => number;
}

export async function openFakeServer(answer: Answer): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  const commands: (readonly string[])[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const read = readCommand(rest);
        if (read === undefined) return;
        rest = rest.subarray(read.length);
        commands.push(read.command);
        const said = answer(read.command, socket);
        if (said !== undefined && socket.writable) socket.write(said);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    commands,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** One command as clients send it: a list of strings. Undefined while it is not whole. */
function readCommand(
  bytes: Buffer,
): { readonly command: readonly string[]; readonly length: number } | undefined {
  let at = 0;
  const line = (): string | undefined => {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const text = bytes.toString("latin1", at, end);
    at = end + 2;
    return text;
  };
  const count = Number(line()?.slice(1));
  if (!Number.isInteger(count)) return undefined;
  const command: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const length = Number(line()?.slice(1));
    if (!Number.isInteger(length) || at + length + 2 > bytes.length) return undefined;
    command.push(bytes.toString("latin1", at, at + length));
    at += length + 2;
  }
  return { command, length: at };
}
