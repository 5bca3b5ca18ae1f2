import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP path to one server that can be slow, go silent or break. */
export interface Wire extends AsyncDisposable {
  readonly port: number;
  /** Each byte takes so long, in each direction; does not limit how many are under way. */
  readonly setDelayMs: (delayMs: number) => void;
  /** Nothing comes through and nothing is said about it, as behind a partition. */
  readonly silence: () => void;
  /** All connections are reset and new ones refused. */
  readonly cut: () => Promise<void>;
  /** As it was; what was silenced meanwhile is reset, as after a partition. */
  readonly heal: () => Promise<void>;
}

export async function openWire(target: {
  readonly host?: string;
  readonly port: number;
}): Promise<Wire> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  let isSilent = false;
  let hasLost = false;

  const carry = (from: Socket, to: Socket): void => {
    // A chain keeps the order although each chunk waits on its own.
    let last = Promise.resolve();
    const later = (run: () => void): void => {
      const due = new Promise<void>((resolve) => setTimeout(resolve, delayMs));
      last = last.then(() => due).then(run);
    };
    from.on("data", (chunk: Buffer) => {
      if (isSilent) hasLost = true;
      else if (delayMs === 0) to.write(chunk);
      else later(() => void to.write(chunk));
    });
    from.on("end", () => {
      if (!isSilent) later(() => void to.end());
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      sockets.delete(from);
      if (!isSilent) to.destroy();
    });
  };
  const accept = (near: Socket): void => {
    const far = connect(target.port, target.host ?? "127.0.0.1");
    for (const one of [near, far]) {
      one.setNoDelay(true);
      sockets.add(one);
    }
    carry(near, far);
    carry(far, near);
  };
  const reset = (): void => {
    for (const one of sockets) one.destroy();
    sockets.clear();
    hasLost = false;
  };

  let server = await listen(accept, 0);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const close = async (): Promise<void> => {
    reset();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  return {
    port,
    setDelayMs: (ms) => {
      delayMs = ms;
    },
    silence: () => {
      isSilent = true;
    },
    cut: close,
    heal: async () => {
      if (isSilent && hasLost) reset();
      isSilent = false;
      delayMs = 0;
      if (!server.listening) server = await listen(accept, port);
    },
    [Symbol.asyncDispose]: close,
  };
}

async function listen(accept: (socket: Socket) => void, port: number): Promise<Server> {
  const server = createServer(accept);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}
