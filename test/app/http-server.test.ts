import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { startHttp } from "../../src/app/http-server.ts";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** What a request with that Host header is answered. */
async function statusFor(url: string, host: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url);
  const address = hostname.replace(/^\[|\]$/g, "");
  const request = get({ host: address, port, path: "/ping", headers: { host }, agent: false });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "close");
  return response.statusCode;
}

const routes = [{ path: "/ping", answer: () => ({ t: "text", body: "pong" }) as const }];

for (const host of ["127.0.0.1", "localhost", "::1"]) {
  test(`a port on ${host} answers no page that rebinds its name to this machine`, async () => {
    const http = await startHttp({ listen: { host, port: 0 }, routes, log: quiet });
    try {
      for (const name of ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "localhost:15080"]) {
        assert.equal(await statusFor(http.url, name), 200, name);
      }
      for (const name of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"]) {
        assert.equal(await statusFor(http.url, name), 403, name);
      }
    } finally {
      await http.close();
    }
  });
}

for (const host of ["0.0.0.0", "::"]) {
  test(`a port on ${host} is meant for others and answers by any name`, async () => {
    const http = await startHttp({ listen: { host, port: 0 }, routes, log: quiet });
    try {
      assert.equal(await statusFor(http.url, "agent.isthmus.svc"), 200);
    } finally {
      await http.close();
    }
  });
}
