/**
 * One bidirectional gRPC stream over HTTP/2 by hand: a hundred clients of Node's own would take longer to read a
 * change than the agent to send it, and be what is measured. Source: RFC 9113, RFC 7541 (literals only).
 */
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";

export interface GrpcStream {
  readonly send: (message: Uint8Array) => void;
  readonly close: () => void;
}

const frame = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  window: 8,
} as const;
const flag = { ack: 1, endHeaders: 4 } as const;
const settingsId = { initialWindow: 4 } as const;
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const headerBytes = 9;
const maxPayload = 16_384;
const firstWindow = 65_535;
// More than is ever sent to a client here: it need not say that it read something.
const ownWindow = 0x7fff_ffff;

/** Throws what the connection throws. `take` gets each message; `fail` is called once when it ends. */
export async function openGrpcStream(options: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly take: (message: Buffer) => void;
  readonly fail: (reason: string) => void;
}): Promise<GrpcStream> {
  const { host, port, path, tls } = options;
  const socket = connect({
    ...tls,
    host,
    port,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined,
  });
  await once(socket, "secureConnect");
  socket.setNoDelay(true);
  const windows = { connection: firstWindow, stream: firstWindow, initial: firstWindow };
  let unsent: Buffer = Buffer.alloc(0);

  const flush = (): void => {
    while (unsent.length > 0) {
      const room = Math.min(windows.connection, windows.stream, maxPayload, unsent.length);
      if (room <= 0) return;
      socket.write(framed({ type: frame.data, stream: 1 }, unsent.subarray(0, room)));
      unsent = unsent.subarray(room);
      windows.connection -= room;
      windows.stream -= room;
    }
  };
  const takeSettings = (payload: Buffer): void => {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== settingsId.initialWindow) continue;
      const initial = payload.readUInt32BE(at + 2);
      windows.stream += initial - windows.initial;
      windows.initial = initial;
    }
    socket.write(framed({ type: frame.settings, flags: flag.ack }, Buffer.alloc(0)));
    flush();
  };
  const messages = messageReader(options.take);
  const takeFrame = (head: Buffer, payload: Buffer): void => {
    const isAck = ((head[4] ?? 0) & flag.ack) !== 0;
    switch (head[3] ?? frame.data) {
      case frame.data:
        return messages(payload);
      case frame.settings:
        return isAck ? undefined : takeSettings(payload);
      case frame.ping:
        if (!isAck) socket.write(framed({ type: frame.ping, flags: flag.ack }, payload));
        return;
      case frame.window:
        windows[head.readUInt32BE(5) === 0 ? "connection" : "stream"] += payload.readUInt32BE(0);
        return flush();
      case frame.reset:
      case frame.goAway:
        return options.fail("the agent ended the stream");
      // HEADERS carry nothing that matters here, and what is not known is to be left alone.
      default:
        return;
    }
  };
  readFrames(socket, takeFrame);
  socket.on("error", (error) => options.fail(error.message));
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(settingsId.initialWindow, 0);
  settings.writeUInt32BE(ownWindow, 2);
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(ownWindow - firstWindow);
  socket.write(preface);
  socket.write(framed({ type: frame.settings }, settings));
  socket.write(framed({ type: frame.window }, increment));
  const headers = headerBlock(`${host}:${port}`, path);
  socket.write(framed({ type: frame.headers, flags: flag.endHeaders, stream: 1 }, headers));
  return {
    send: (message) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      unsent = Buffer.concat([unsent, prefix, message]);
      flush();
    },
    close: () => socket.destroy(),
  };
}

function framed(
  head: { readonly type: number; readonly flags?: number; readonly stream?: number },
  payload: Uint8Array,
): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = head.type;
  bytes[4] = head.flags ?? 0;
  bytes.writeUInt32BE(head.stream ?? 0, 5);
  bytes.set(payload, headerBytes);
  return bytes;
}

function readFrames(socket: TLSSocket, take: (head: Buffer, payload: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= headerBytes) {
      const end = headerBytes + rest.readUIntBE(0, 3);
      if (rest.length < end) return;
      take(rest.subarray(0, headerBytes), rest.subarray(headerBytes, end));
      rest = rest.subarray(end);
    }
  });
}

/** gRPC messages out of DATA frames, however they were cut. */
function messageReader(take: (message: Buffer) => void): (payload: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (payload) => {
    rest = rest.length === 0 ? payload : Buffer.concat([rest, payload]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      take(rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  };
}

/** Each a literal without indexing, its name and value as plain text. */
function headerBlock(authority: string, path: string): Buffer {
  const headers = {
    ":method": "POST",
    ":scheme": "https",
    ":authority": authority,
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  };
  const parts = Object.entries(headers).flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
  return Buffer.concat(parts);
}
