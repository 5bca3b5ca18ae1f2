import { type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { formatHostPort, type HostPort, isIp, isRoutable } from "../mesh/address.ts";
import { type ErrorCode, MeshError, reasonOf } from "../mesh/errors.ts";
import type { Log } from "../mesh/ports.ts";
import { redactText } from "../telemetry/redact.ts";
import type { ErrorAnswer } from "./api-model.ts";
import { changeRefusal } from "./changing-requests.ts";

/** A question that is answered from memory. */
export interface HttpRoute {
  /** `/api/v1/proxies/:node/config` */
  readonly path: string;
  readonly answer: (query: HttpQuery) => HttpAnswer | Promise<HttpAnswer>;
  /** It changes something: asked by POST, and only by somebody on this machine. Default: GET. */
  readonly isChange?: true;
  /** Of what is sent with the question. Default 1 KiB. */
  readonly maxBodyBytes?: number;
}

export interface HttpQuery {
  /** From the path or the query string; undefined when absent or given twice. */
  readonly text: (name: string) => string | undefined;
  /** What was sent with it, whatever its type says; empty when nothing was. */
  readonly body: string;
}

export type HttpAnswer =
  | { readonly t: "json"; readonly body: object; readonly status?: number }
  | { readonly t: "text"; readonly body: string; readonly type?: string; readonly status?: number };

export interface RunningHttp {
  /** With the port that was really bound. */
  readonly address: HostPort;
  readonly url: string;
  readonly close: () => Promise<void>;
}

// Questions are small and answers come from memory: whoever is slower than this holds a socket for nothing.
const requestTimeoutMs = 10_000;
// Node knows no such limit: whoever asks for much and reads nothing would hold a connection, and the answer, for ever.
const defaultAnswerTimeoutMs = 30_000;
const keepAliveMs = 5000;
const maxConnections = 256;
const maxHeaderBytes = 8192;
// A node id has up to 512 characters.
const maxParamLength = 600;

/** Throws MESH_LISTEN_FAILED. */
export async function startHttp(options: {
  readonly listen: HostPort;
  readonly routes: readonly HttpRoute[];
  readonly log: Log;
  /** How long an asker may take to read an answer. Default 30 s. */
  readonly answerTimeoutMs?: number;
}): Promise<RunningHttp> {
  const { listen, log, answerTimeoutMs = defaultAnswerTimeoutMs } = options;
  const app = fastify({
    logger: false,
    bodyLimit: 1024,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    routerOptions: { maxParamLength },
    // Node looks for slow senders every 30 s only: until then they would hold all connections.
    http: { maxHeaderSize: maxHeaderBytes, connectionsCheckingInterval: 2000 },
    forceCloseConnections: true,
  });
  app.server.maxConnections = maxConnections;
  // Bodies are for those who answer to read: a type that somebody states proves nothing of them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
  app.addHook("onSend", async (_request, { raw }) => {
    const timer = setTimeout(() => raw.destroy(), answerTimeoutMs);
    raw.once("close", () => clearTimeout(timer));
  });
  if (isPrivate(listen.host)) {
    app.addHook("onRequest", async (request, reply) => {
      if (!isLocalName(request.headers.host)) await refuse(reply, askLocally);
    });
  }
  for (const route of options.routes) {
    const method = route.isChange === true ? "POST" : "GET";
    app.route({
      method,
      url: route.path,
      ...(route.maxBodyBytes === undefined ? {} : { bodyLimit: route.maxBodyBytes }),
      onRequest: async (request, reply) => {
        const refusal = route.isChange ? changeRefusalOf(request) : undefined;
        if (refusal !== undefined) await refuse(reply, refusal);
      },
      handler: async (request, reply) => {
        await send(reply, await route.answer(queryOf(request)));
        return reply;
      },
    });
  }
  app.setNotFoundHandler((_request, reply) =>
    sendError(reply, new MeshError("MESH_NOT_FOUND", "Cannot answer: there is no such page")),
  );
  app.setErrorHandler((error, request, reply) => {
    const status = sendError(reply, error);
    if (status >= 500) log.error({ err: error, name: request.url }, "HTTP request failed");
  });
  try {
    await app.listen({ host: listen.host, port: listen.port });
  } catch (cause) {
    await app.close();
    const where = formatHostPort(listen);
    throw new MeshError("MESH_LISTEN_FAILED", `Cannot listen on ${where}: ${reasonOf(cause)}`, {
      cause,
    });
  }
  const address = boundTo(listen, app.server.address());
  return { address, url: `http://${formatHostPort(dialable(address))}`, close: () => app.close() };
}

function queryOf(request: FastifyRequest): HttpQuery {
  const params = request.params as Readonly<Record<string, unknown>>;
  const query = request.query as Readonly<Record<string, unknown>>;
  return {
    text: (name) => {
      const value = params[name] ?? query[name];
      return typeof value === "string" ? value : undefined;
    },
    body: typeof request.body === "string" ? request.body : "",
  };
}

async function send(reply: FastifyReply, answer: HttpAnswer): Promise<void> {
  reply.code(answer.status ?? 200).header("cache-control", "no-store");
  if (answer.t === "json") await reply.send(answer.body);
  else await reply.type(answer.type ?? "text/plain; charset=utf-8").send(answer.body);
}

const statuses: Partial<Record<ErrorCode, number>> = {
  MESH_NOT_FOUND: 404,
  MESH_USAGE: 400,
  MESH_ID_INVALID: 400,
  MESH_ADDRESS_INVALID: 400,
  MESH_FILE_UNREADABLE: 503,
  MESH_TRUST_KEY_FILE_UNSAFE: 503,
  MESH_TRUST_CHARTER_REFUSED: 400,
  MESH_TRUST_CHARTER_CONFLICT: 409,
  MESH_TRUST_SIGNER_MISSING: 409,
  MESH_TRUST_SIGNER_FAILED: 503,
};

/** What went wrong inside is for the log; the asker learns codes that are his. */
function sendError(reply: FastifyReply, thrown: unknown): number {
  const code = thrown instanceof MeshError ? thrown.code : undefined;
  const own = code === undefined ? httpStatusOf(thrown) : statuses[code];
  const status = own ?? 500;
  const answer: ErrorAnswer =
    own === undefined
      ? { code: "MESH_INTERNAL", message: "Cannot answer: see the agent's log" }
      : { code: code ?? "MESH_USAGE", message: redactText(reasonOf(thrown)) };
  void reply.code(status).header("cache-control", "no-store").send(answer);
  return status;
}

function httpStatusOf(thrown: unknown): number | undefined {
  const status =
    thrown instanceof Error && "statusCode" in thrown ? Number(thrown.statusCode) : undefined;
  return status !== undefined && status >= 400 && status < 500 ? status : undefined;
}

/** Reached from this machine alone; `0.0.0.0` and `::` are meant for others. */
function isPrivate(host: string): boolean {
  if (host === "localhost") return true;
  return isIp(host) && !isRoutable(host) && host !== "0.0.0.0" && host !== "::";
}

/** A page in a browser that rebinds its own name to this machine sends that name. */
function isLocalName(host: string | undefined): boolean {
  if (host === undefined) return true;
  const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return name.toLowerCase() === "localhost" || isIp(name);
}

/** Also where the port is meant for others and answers by any name. */
function changeRefusalOf({ headers, socket }: FastifyRequest): string | undefined {
  if (!isLocalName(headers.host)) return askLocally;
  return changeRefusal({ headers, remoteAddress: socket.remoteAddress });
}

const askLocally = "ask by address or as localhost";

async function refuse(reply: FastifyReply, truth: string): Promise<void> {
  const answer: ErrorAnswer = { code: "MESH_USAGE", message: `Cannot answer: ${truth}` };
  await reply.code(403).send(answer);
}

function boundTo(listen: HostPort, bound: unknown): HostPort {
  const port = typeof bound === "object" && bound !== null && "port" in bound ? bound.port : 0;
  return { host: listen.host, port: Number(port) };
}

function dialable(address: HostPort): HostPort {
  if (address.host === "0.0.0.0") return { ...address, host: "127.0.0.1" };
  return address.host === "::" ? { ...address, host: "::1" } : address;
}
