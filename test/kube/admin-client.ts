import { setTimeout as delay } from "node:timers/promises";
import { Agent, buildConnector, request } from "undici";

export type Json = Readonly<Record<string, unknown>>;
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What an API server answered where it refused. */
export class RefusedError extends Error {
  readonly status: number;

  constructor(what: string, status: number, body: string) {
    super(`${what} is answered ${status}: ${body.slice(0, 2000)}`);
    this.status = status;
  }
}

/** Plain JSON to and from an API server, as whoever holds the token; for tests, which pose, ask and look. */
export interface AdminClient extends AsyncDisposable {
  /** Throws RefusedError where the answer is none of 2xx. A patch is a merge patch unless the type says otherwise. */
  call<T = Json>(method: Method, path: string, body?: unknown, contentType?: string): Promise<T>;
  /** Status only, of an address that may not answer yet. */
  status(path: string): Promise<number>;
  /** Lines of a watch until it ends or the signal does; whatever it answers. */
  lines(path: string, signal: AbortSignal): AsyncGenerator<string>;
}

export function createAdminClient(options: {
  readonly url: string;
  readonly token: string;
  /** Read for each connection: it does not exist before the API server's first start. */
  readonly ca: () => string;
}): AdminClient {
  let agent: Agent | undefined;
  const headers = { authorization: `Bearer ${options.token}` };
  const dispatcher = (): Agent => {
    // The API server may come back with another certificate.
    agent ??= new Agent({
      connect: (to, done) => buildConnector({ ca: options.ca() })(to, done),
      headersTimeout: 90_000,
      bodyTimeout: 0,
    });
    return agent;
  };
  return {
    call: async (method, path, body, contentType) => {
      const type =
        contentType ?? (method === "PATCH" ? "application/merge-patch+json" : "application/json");
      const answer = await request(options.url + path, {
        method,
        dispatcher: dispatcher(),
        headers: { ...headers, "content-type": type },
        body: body === undefined ? null : JSON.stringify(body),
      });
      const text = await answer.body.text();
      if (answer.statusCode < 200 || answer.statusCode > 299) {
        throw new RefusedError(`${method} ${path}`, answer.statusCode, text);
      }
      return (text === "" ? {} : JSON.parse(text)) as never;
    },
    status: async (path) => {
      const { statusCode, body } = await request(options.url + path, {
        dispatcher: dispatcher(),
        headers,
      });
      await body.dump();
      return statusCode;
    },
    lines: async function* (path, signal) {
      const { body } = await request(options.url + path, {
        dispatcher: dispatcher(),
        headers,
        signal,
      });
      let rest = "";
      for await (const chunk of body.setEncoding("utf8")) {
        const lines = (rest + String(chunk)).split("\n");
        rest = lines.pop() ?? "";
        yield* lines;
      }
    },
    [Symbol.asyncDispose]: async () => {
      await agent?.destroy();
    },
  };
}

/** Asks until the answer is yes; what is waited for is said when it never comes. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const isTrue = await Promise.resolve()
      .then(isSo)
      .catch(() => false);
    if (isTrue) return;
    if (performance.now() > deadlineMs) throw new Error(`It never came true: ${what}`);
    await delay(10);
  }
}
