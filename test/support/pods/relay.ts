// A way between network namespaces: sockets in the file system belong to none of them. As a program:
// `relay.ts FROM TO …`, each `tcp:PORT` on loopback or `unix:PATH`.
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

export type Place = `tcp:${number}` | `unix:${string}`;

export interface Relay extends AsyncDisposable {
  /** 0 for sockets of the file system. */
  readonly port: number;
}

/** Takes connections at `from` and leads each to `to`. Rejects when it cannot listen. */
export async function startRelay(from: Place, to: Place): Promise<Relay> {
  const open = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(whereIs(to));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => open.delete(one));
      one.pipe(other);
    }
  });
  server.listen(whereIs(from));
  await once(server, "listening");
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function whereIs(place: Place): { host: string; port: number } | { path: string } {
  return place.startsWith("tcp:")
    ? { host: "127.0.0.1", port: Number(place.slice("tcp:".length)) }
    : { path: place.slice("unix:".length) };
}

if (import.meta.main) {
  const places = process.argv.slice(2) as Place[];
  for (let at = 0; at + 1 < places.length; at += 2) {
    await startRelay(places[at] as Place, places[at + 1] as Place);
  }
  process.on("disconnect", () => process.exit(0));
  process.send?.("relays");
}
