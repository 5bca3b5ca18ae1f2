import { Agent, request } from "undici";
import type { OpenStream } from "../../../src/discovery/io/kubernetes/watch-reader.ts";

/** GETs of an API server as whoever holds the token; for tests of what reads them. */
export function openStreamTo(server: {
  readonly url: string;
  readonly ca: string;
  readonly token: () => string;
}): { readonly open: OpenStream; readonly close: () => Promise<void> } {
  const dispatcher = new Agent({
    connect: { ca: server.ca, timeout: 2000 },
    bodyTimeout: 0,
    headersTimeout: 0,
  });
  return {
    open: async (path, { signal }) => {
      const headers = { authorization: `Bearer ${server.token()}` };
      const url = server.url + path;
      const { statusCode, body } = await request(url, { dispatcher, headers, signal });
      return { status: statusCode, body };
    },
    close: () => dispatcher.destroy(),
  };
}
