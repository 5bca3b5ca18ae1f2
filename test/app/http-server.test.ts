import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { changeHeader, changeRefusal } from "../../src/app/changing-requests.ts";
import { startHttp } from "../../src/app/http-server.ts";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** What a request with that Host header is answered. */
async function statusFor(url: string, host: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url);
  const address = hostname.replace(/^\[|\]$/g, "");
  const sent = get({ host: address, port, path: "/ping", headers: { host }, agent: false });
  const [response] = (await once(sent, "response")) as [IncomingMessage];
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

test("who reads nothing of a long answer does not hold its connection", async () => {
  const body = "x".repeat(32 * 1024 * 1024);
  const http = await startHttp({
    listen: { host: "127.0.0.1", port: 0 },
    routes: [{ path: "/long", answer: () => ({ t: "text", body }) }],
    log: quiet,
    answerTimeoutMs: 50,
  });
  try {
    const socket = connect(http.address);
    socket.pause();
    socket.on("error", () => {});
    const cut = new Promise((resolve) => socket.once("close", resolve));
    socket.write("GET /long HTTP/1.1\r\nhost: localhost\r\n\r\n");
    // Who does not read learns of the end when it writes; between requests a line break says nothing.
    const writing = setInterval(() => socket.write("\r\n"), 20);
    await cut;
    clearInterval(writing);
  } finally {
    await http.close();
  }
});

for (const host of ["127.0.0.1", "::1", "0.0.0.0"]) {
  test(`a change at a port on ${host} is taken from a program of this machine, and from no page in its browser`, async () => {
    let changes = 0;
    const change = {
      path: "/change",
      isChange: true,
      answer: () => {
        changes += 1;
        return { t: "text", body: "done" } as const;
      },
    } as const;
    const http = await startHttp({ listen: { host, port: 0 }, routes: [change], log: quiet });
    const asked = async (headers: Readonly<Record<string, string>>): Promise<number> => {
      const { hostname, port } = new URL(http.url);
      const sent = request({
        host: hostname.replace(/^\[|\]$/g, ""),
        port,
        path: "/change",
        method: "POST",
        headers,
        agent: false,
      });
      sent.end();
      const [response] = (await once(sent, "response")) as [IncomingMessage];
      response.resume();
      await once(response, "close");
      return response.statusCode ?? 0;
    };
    try {
      assert.equal((await fetch(`${http.url}/change`)).status, 404, "by GET it is not there");
      const own = { "isthmus-change": "cli" };
      const refused = [
        {},
        { ...own, origin: "http://evil.example" },
        { ...own, origin: "null" },
        { ...own, "sec-fetch-site": "cross-site" },
        { ...own, referer: "http://evil.example/" },
        { ...own, "x-forwarded-for": "192.0.2.1" },
        { ...own, host: "evil.example" },
        { "content-type": "application/x-www-form-urlencoded" },
      ];
      for (const headers of refused) {
        assert.equal(await asked(headers), 403, JSON.stringify(headers));
      }
      assert.equal(changes, 0);
      assert.equal(await asked(own), 200);
      assert.equal(changes, 1);
    } finally {
      await http.close();
    }
  });
}

test("changeRefusal() knows this machine by its addresses", () => {
  const from = (remoteAddress: string | undefined): string | undefined =>
    changeRefusal({ headers: { [changeHeader]: "cli" }, remoteAddress });
  for (const here of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) {
    assert.equal(from(here), undefined, here);
  }
  for (const there of [
    "192.0.2.1",
    "::ffff:192.0.2.127",
    "fe80::1",
    "2001:db8::1",
    "",
    undefined,
  ]) {
    assert.match(from(there) ?? "", /from this machine only/, there);
  }
});
