import { Agent, buildConnector, request } from "undici";
import { MeshError, reasonOf } from "../../../mesh/errors.ts";
import { type Refusal, readRefusal } from "../../kubernetes/refusal.ts";
import type { HealthRecorder } from "./api-health.ts";
import type { Credentials } from "./credentials.ts";
import type { ApiStream } from "./watch-attempt.ts";

/** HTTP to one API server over one pool of connections. */
export interface Transport extends AsyncDisposable {
  /** `what` completes "Cannot …". Throws MESH_KUBE_UNREACHABLE and what Credentials throws; a refusal is an answer. */
  readonly send: (call: ApiCall) => Promise<ApiAnswer>;
  /** A GET whose body comes as it is written, however long that takes. */
  readonly stream: (path: string, options: { readonly signal: AbortSignal }) => Promise<ApiStream>;
}

export interface ApiCall {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly what: string;
  readonly body?: object;
  /** Default: JSON. */
  readonly contentType?: string;
  readonly deadlineMs: number;
}

export type ApiAnswer =
  | { readonly t: "ok"; readonly text: string }
  | ({ readonly t: "refused" } & Refusal);

const connectMs = 3000;
// For a stream only: calls have a deadline of their own.
const headersMs = 30_000;
// A page of 500 of the largest objects that people write.
const maxAnswerBytes = 64 << 20;
const maxRetryAfterMs = 60_000;

export function createTransport(options: {
  /** `https://10.0.0.1:6443` */
  readonly server: string;
  readonly serverName?: string;
  readonly credentials: Credentials;
  readonly recorder: Pick<HealthRecorder, "heard" | "failed">;
}): Transport {
  const { server, credentials, recorder } = options;
  const agent = new Agent({
    // One connection each, so that a hung watch hangs nothing else.
    allowH2: false,
    bodyTimeout: 0,
    headersTimeout: headersMs,
    connect: connectorFor(options),
  });
  const headersOf = async (): Promise<Record<string, string>> => {
    const authorization = await credentials.authorization();
    return {
      // Token keys come as a type of their own, and as no other.
      accept: "application/json, application/jwk-set+json",
      "user-agent": "isthmus",
      ...(authorization === undefined ? {} : { authorization: authorization.reveal() }),
    };
  };
  const once = async (call: ApiCall): Promise<ApiAnswer> => {
    const { method, path, body } = call;
    const answer = await request(server + path, {
      method,
      dispatcher: agent,
      signal: AbortSignal.timeout(call.deadlineMs),
      headers: {
        ...(await headersOf()),
        ...(body === undefined ? {} : { "content-type": call.contentType ?? "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await textOf(answer.body);
    recorder.heard();
    const { statusCode } = answer;
    if (statusCode >= 200 && statusCode < 300) return { t: "ok", text };
    return { t: "refused", ...readRefusal(statusCode, text) };
  };

  return {
    send: async (call) => {
      try {
        const answer = await once(call);
        if (answer.t === "ok" || answer.status !== 401) return answer;
        // The token may have been replaced a moment ago.
        credentials.forget();
        return await once(call);
      } catch (cause) {
        if (cause instanceof MeshError) throw cause;
        const reason = whyNot(cause, call.deadlineMs);
        recorder.failed(reason);
        const message = `Cannot ${call.what}: ${reason}`;
        throw new MeshError("MESH_KUBE_UNREACHABLE", message, { cause });
      }
    },
    stream: async (path, { signal }) => {
      const asked = request(server + path, {
        dispatcher: agent,
        signal,
        headers: await headersOf(),
      });
      // Who gives up on it says so himself.
      asked.catch((cause: unknown) => {
        if (!signal.aborted) recorder.failed(reasonOf(cause));
      });
      const { statusCode, headers, body } = await asked;
      if (statusCode === 401) credentials.forget();
      const retryAfterMs = retryAfterOf(headers["retry-after"]);
      return {
        status: statusCode,
        body: hearing(body, recorder),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      };
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

async function* hearing(
  body: AsyncIterable<Uint8Array>,
  { heard }: Pick<HealthRecorder, "heard">,
): AsyncIterable<Uint8Array> {
  heard();
  for await (const chunk of body) {
    heard();
    yield chunk;
  }
}

/** Takes what is on disk now: an API server's CA and our certificate are replaced while we run. */
function connectorFor(options: {
  readonly serverName?: string;
  readonly credentials: Credentials;
}): buildConnector.connector {
  const { serverName, credentials } = options;
  const make = async (): Promise<buildConnector.connector> => {
    const { ca, cert, key } = await credentials.tls();
    return buildConnector({
      allowH2: false,
      timeout: connectMs,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key: key.reveal() }),
    });
  };
  return (to, settle) => {
    make().then(
      (connect) =>
        connect(serverName === undefined ? to : { ...to, servername: serverName }, settle),
      (cause: unknown) => settle(cause instanceof Error ? cause : new Error(String(cause)), null),
    );
  };
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > maxAnswerBytes)
      throw new Error(`its answer is larger than ${maxAnswerBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function whyNot(cause: unknown, deadlineMs: number): string {
  if (cause instanceof Error && cause.name === "TimeoutError") {
    return `no answer within ${deadlineMs} ms`;
  }
  // Of a host with several addresses each failure is told apart, and the whole says nothing.
  if (cause instanceof AggregateError) return cause.errors.map(reasonOf).join("; ");
  return reasonOf(cause);
}

function retryAfterOf(header: string | readonly string[] | undefined): number | undefined {
  const seconds = typeof header === "string" ? Number(header) : Number.NaN;
  return seconds >= 0 ? Math.min(seconds * 1000, maxRetryAfterMs) : undefined;
}
