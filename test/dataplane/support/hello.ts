import { Duplex } from "node:stream";
import { connect } from "node:tls";

/** What Node's own TLS sends first, hybrid key share included. */
export async function realHello(servername: string): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, done) => {
      resolve(chunk);
      done();
    },
  });
  const session = connect({ socket, servername, ecdhCurve: "X25519MLKEM768:X25519:P-256" });
  session.on("error", () => {});
  const hello = await promise;
  session.destroy();
  return hello;
}

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const block = (bytes: Buffer): Buffer => Buffer.concat([u16(bytes.length), bytes]);

export function nameExtension(name: string): Buffer {
  const entry = Buffer.concat([Buffer.from([0]), block(Buffer.from(name, "latin1"))]);
  return Buffer.concat([u16(0), block(block(entry))]);
}

export function padding(bytes: number): Buffer {
  return Buffer.concat([u16(21), block(Buffer.alloc(bytes))]);
}

/** A handshake message with these extensions, without record headers. */
export function helloMessage(extensions: readonly Buffer[]): Buffer {
  const body = Buffer.concat([
    u16(0x0303),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    block(u16(0x1301)),
    Buffer.from([1, 0]),
    block(Buffer.concat(extensions)),
  ]);
  return Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
}

/** Cuts a handshake message into TLS records of at most so many bytes. */
export function inRecords(message: Buffer, maxBytes = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += maxBytes) {
    const part = message.subarray(at, at + maxBytes);
    records.push(Buffer.from([22, 3, 1]), block(part));
  }
  return Buffer.concat(records);
}

/** A hello whose handshake message has exactly so many bytes after its header. */
export function helloOfSize(name: string, bytes: number): Buffer {
  const without = helloMessage([nameExtension(name), padding(0)]).length - 4;
  return helloMessage([nameExtension(name), padding(bytes - without)]);
}
