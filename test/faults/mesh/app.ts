import { once } from "node:events";
import { createServer as createHttp } from "node:http";
import { createServer as createTcp, type Server } from "node:net";

/** Told to an application's process. */
export type ToApp =
  | {
      readonly t: "start";
      readonly signature: string;
      readonly address: string;
      readonly httpPorts: readonly number[];
      readonly tcpPorts: readonly number[];
    }
  | { readonly t: "tell" }
  | { readonly t: "stop" };

export type FromApp =
  | { readonly t: "started" }
  /** Ids of the requests that may not be repeated, once for each time that they were carried out. */
  | { readonly t: "done"; readonly ids: readonly string[]; readonly requests: number };

// One workload: answers everything with its signature, and remembers what may not happen twice.
let done: string[] = [];
let requests = 0;

process.on("message", (message: ToApp) => {
  if (message.t === "start") void start(message);
  else if (message.t === "tell") {
    process.send?.({ t: "done", ids: done, requests } satisfies FromApp);
    done = [];
  } else process.exit(0);
});
process.on("disconnect", () => process.exit(0));

async function start(how: Extract<ToApp, { t: "start" }>): Promise<void> {
  const line = `${how.signature}\n`;
  const servers = [
    ...how.httpPorts.map((port) => ({ server: httpServer(line), port })),
    ...how.tcpPorts.map((port) => ({ server: tcpServer(line), port })),
  ];
  const listening = servers.map(({ server, port }) => {
    server.listen(port, how.address);
    return once(server, "listening");
  });
  await Promise.all(listening);
  process.send?.({ t: "started" } satisfies FromApp);
}

function httpServer(line: string): Server {
  const server = createHttp((request, response) => {
    requests += 1;
    const id = request.headers["x-id"];
    request.resume();
    request.on("end", () => {
      if (request.method === "POST" && typeof id === "string") done.push(id);
      response.setHeader("content-length", line.length);
      response.end(line);
    });
  });
  // Connections end when their callers say so: Node's patience is not what is measured.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  return server;
}

/** Each line is answered with the signature. */
function tcpServer(line: string): Server {
  return createTcp((socket) => {
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      for (const byte of chunk) if (byte === 10) socket.write(line);
    });
    socket.on("error", () => undefined);
  });
}
