import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import { formatHostPort, type HostPort } from "../../../mesh/address.ts";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { keyExchangeList } from "../../../mesh/key-exchanges.ts";
import type { Clock, Log } from "../../../mesh/ports.ts";
import type { Secret } from "../../../mesh/secret.ts";
import { Admission } from "../../../xds/admission.ts";
import type { InjectionSettings } from "../../install/inject/containers.ts";
import { type CallerLimits, Callers } from "./callers.ts";
import { answerReview, type ReviewResult } from "./review.ts";

export interface ServingPair {
  readonly certPem: string;
  readonly keyPem: Secret;
}

export interface WebhookOptions {
  readonly listen: HostPort;
  readonly serving: ServingPair;
  /** As they are when a pod comes. */
  readonly settings: () => InjectionSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly onAnswer: (result: ReviewResult | "malformed", ms: number) => void;
  readonly callerLimits?: CallerLimits;
}

export interface WebhookServer extends AsyncDisposable {
  readonly address: HostPort;
  /** For new connections. */
  readonly serve: (pair: ServingPair) => void;
}

// An API server takes no object above 3 MiB; a review holds it and a little more.
const maxBodyBytes = 4 * 1024 * 1024;
// An API server has a few; and what they hold together is a fraction of what the agent may have.
const callerLimits: CallerLimits = { connections: 1024, bodyBytes: 32 * 1024 * 1024 };
// An API server gives up after `timeoutSeconds`, which our manifests set to 5.
const requestMs = 10_000;
const handshakeMs = 5_000;
const logs = { perSecond: 1, burst: 20 };

/** HTTPS for API servers: `POST /inject`. Throws MESH_LISTEN_FAILED. */
export async function listenForReviews(options: WebhookOptions): Promise<WebhookServer> {
  const { listen, serving, log, clock } = options;
  const pace = new Admission(logs, clock.monotonicMs());
  const callers = new Callers(options.callerLimits ?? callerLimits);
  const server = createServer(
    {
      ...tlsOf(serving),
      handshakeTimeout: handshakeMs,
      headersTimeout: handshakeMs,
      requestTimeout: requestMs,
      // Default: half a minute, for which a slow request would live on.
      connectionsCheckingInterval: 1000,
    },
    (request, reply) => {
      // Gone with its connection.
      const remote = request.socket.remoteAddress;
      answer(request, reply, { ...options, callers }).catch((thrown: unknown) => {
        const reason = reasonOf(thrown);
        if (pace.take(clock.monotonicMs())) log.warn({ remote, reason }, "Review refused");
        options.onAnswer("malformed", 0);
        end(reply, { status: thrown instanceof MeshError ? 400 : 500, text: reason });
      });
    },
  );
  server.on("connection", (socket: Socket) => callers.enter(socket));
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  const address = await bind(server, listen);
  return {
    address,
    serve: (pair) => server.setSecureContext(tlsOf(pair)),
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      callers.cut();
      await closed;
    },
  };
}

function tlsOf({ certPem, keyPem }: ServingPair): {
  cert: string;
  key: string;
  minVersion: "TLSv1.3";
  ecdhCurve: string;
} {
  const key = keyPem.reveal();
  return { cert: certPem, key, minVersion: "TLSv1.3", ecdhCurve: keyExchangeList };
}

async function bind(server: Server, listen: HostPort): Promise<HostPort> {
  try {
    server.listen(listen);
    await once(server, "listening");
  } catch (cause) {
    const where = formatHostPort(listen);
    const message = `Cannot listen on ${where}: ${reasonOf(cause)}`;
    throw new MeshError("MESH_LISTEN_FAILED", message, { cause });
  }
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? { ...listen, port: bound.port } : listen;
}

async function answer(
  request: IncomingMessage,
  reply: ServerResponse,
  { settings, clock, onAnswer, callers }: WebhookOptions & { readonly callers: Callers },
): Promise<void> {
  // The API server adds `?timeout=5s`.
  const [path] = (request.url ?? "").split("?");
  if (request.method !== "POST" || path !== "/inject") {
    return end(reply, { status: 404, text: "there is only POST /inject" });
  }
  const startMs = clock.monotonicMs();
  const { body, result } = answerReview(await textOf(request, callers), settings());
  end(reply, { status: 200, text: JSON.stringify(body), type: "application/json" });
  onAnswer(result, clock.monotonicMs() - startMs);
}

async function textOf(request: IncomingMessage, callers: Callers): Promise<string> {
  // Gone with its connection.
  const { socket } = request;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      callers.hold(socket, chunk.length);
      if (size > maxBodyBytes) {
        // What else it sends is not read; whoever sends so much is no API server.
        socket.destroySoon();
        throw new MeshError(
          "MESH_USAGE",
          `Cannot answer review: it has more than ${maxBodyBytes} bytes`,
        );
      }
      chunks.push(chunk);
    }
  } finally {
    callers.release(socket);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function end(
  reply: ServerResponse,
  {
    status,
    text,
    type = "text/plain",
  }: { readonly status: number; readonly text: string; readonly type?: string },
): void {
  if (reply.headersSent) return;
  reply.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  reply.end(text);
}
