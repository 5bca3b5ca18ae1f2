import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A way to a gateway that can be cut for some names only, as a firewall in between would. */
export interface SniGate extends AsyncDisposable {
  readonly port: number;
  /** Connections whose ClientHello holds this text are reset; open ones stay. */
  cut: string | undefined;
  /** Ends the open ones, whatever they are for. */
  readonly reset: () => void;
}

export async function openSniGate(target: number): Promise<SniGate> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (down) => {
    track(down);
    let hello = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      hello = Buffer.concat([hello, chunk]);
      const text = hello.toString("latin1");
      if (gate.cut !== undefined && text.includes(gate.cut)) return void down.resetAndDestroy();
      if (!/\.(local|mesh)/.test(text)) return;
      down.off("data", onData);
      const up = track(connect({ port: target, host: "127.0.0.1", allowHalfOpen: true }));
      up.write(hello);
      down.pipe(up).pipe(down);
      up.on("close", () => down.destroy());
      down.on("close", () => up.destroy());
    };
    down.on("data", onData);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  const gate: SniGate = {
    port: typeof bound === "object" && bound !== null ? bound.port : 0,
    cut: undefined,
    reset: () => {
      for (const socket of sockets) socket.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return gate;
}
