import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import type { Log, Peer } from "../../../mesh/ports.ts";
import { type HttpsAnswer, type HttpsDesks, routeOf } from "../../identity/https-api.ts";
import { httpRefusalOf } from "../identity-refusal.ts";

// There is one question to ask, and it takes a second at most. Node's own limits need a listening server.
const defaultLifeMs = 15_000;
// A CSR in PEM, a token and their names, with every line break written as three characters.
const maxBodyBytes = 32 * 1024;
const maxHeaderBytes = 8192;

/** Plain HTTP on connections of the agent's port that speak no HTTP/2: one request each. */
export class HttpsCalls {
  readonly #server: Server;
  readonly #desks: HttpsDesks;
  readonly #log: Log;
  readonly #callers = new WeakMap<object, Caller>();

  readonly #lifeMs: number;

  constructor(desks: HttpsDesks, options: { readonly log: Log; readonly lifeMs?: number }) {
    this.#desks = desks;
    this.#log = options.log;
    this.#lifeMs = options.lifeMs ?? defaultLifeMs;
    this.#server = createServer(
      { maxHeaderSize: maxHeaderBytes, keepAlive: false },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxRequestsPerSocket = 1;
    this.#server.on("clientError", refuseUnread);
  }

  /** Takes the connection over, for a few seconds. */
  serve(socket: TLSSocket, caller: Caller): void {
    const timer = setTimeout(() => socket.destroy(), this.#lifeMs).unref();
    socket.once("close", () => clearTimeout(timer));
    this.#callers.set(socket, caller);
    this.#server.emit("connection", socket);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const caller = this.#callers.get(request.socket);
    // An error of a socket that is gone is nobody's news.
    request.on("error", () => {});
    response.on("error", () => {});
    try {
      if (caller === undefined) throw new RangeError("A request came over nobody's connection");
      send(response, await this.#answerTo(request, caller));
    } catch (thrown) {
      const refusal = httpRefusalOf(thrown);
      if (refusal.status === 500) {
        this.#log.error({ reason: reasonOf(thrown), name: "identity" }, "HTTP request failed");
      }
      send(response, refusal);
    }
  }

  async #answerTo(request: IncomingMessage, caller: Caller): Promise<HttpsAnswer> {
    const { method = "", url = "", headers } = request;
    const [path = ""] = url.split("?");
    const asked = {
      method,
      path,
      contentType: headers["content-type"] ?? "",
      accept: headers.accept ?? "",
      body: new Uint8Array(),
      address: caller.address,
      peer: caller.peer,
    };
    const route = routeOf(asked);
    if (route === undefined) {
      throw new MeshError("MESH_NOT_FOUND", "Cannot answer: there is no such page");
    }
    const body = method === "GET" ? asked.body : await bodyOf(request);
    return await route({ ...asked, body }, this.#desks);
  }
}

export interface Caller {
  /** IP literal. */
  readonly address: string;
  /** Whom its certificate proves. */
  readonly peer: Peer | undefined;
}

/**
 * As Node answers what is no request, but reads on until the caller ends or its time is over: a connection that is
 * closed over bytes that nobody has read is reset, and the answer lost with it.
 */
function refuseUnread(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (socket.writableEnded) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const isTooLong = error.code === "HPE_HEADER_OVERFLOW";
  const status = isTooLong ? "431 Request Header Fields Too Large" : "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
}

function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    // Not as an iterator: leaving one destroys the connection before it was told why.
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBodyBytes) chunks.push(chunk);
      else
        reject(
          new MeshError("MESH_USAGE", `Cannot read request: it has over ${maxBodyBytes} bytes`),
        );
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("close", () =>
      reject(new MeshError("MESH_USAGE", "Cannot read request: it was cut off")),
    );
  });
}

function send(response: ServerResponse, { status, type, body }: HttpsAnswer): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    connection: "close",
  });
  response.end(body);
}
