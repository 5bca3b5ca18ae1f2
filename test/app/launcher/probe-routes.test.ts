import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { after, before, suite, test } from "node:test";
import { type RunningHttp, startHttp } from "../../../src/app/http-server.ts";
import { probeRoutes } from "../../../src/app/launcher/probe-routes.ts";

const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

async function serverAt(host: string): Promise<Server> {
  const server = createServer((socket) => socket.on("error", () => undefined).resume());
  server.listen(0, host);
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function ended(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}

suite("probes of a kubelet that the sidecar answers for its application", () => {
  let http: RunningHttp;
  let four: Server;
  let six: Server;
  let ending: Server;
  let foreign: Server;

  before(async () => {
    four = await serverAt("127.0.0.1");
    six = await serverAt("::1");
    ending = await serverAt("127.0.0.1");
    foreign = await serverAt("127.0.0.1");
    const routes = probeRoutes([four, six, ending].map(portOf));
    http = await startHttp({ listen: { host: "127.0.0.1", port: 0 }, routes, log: quiet });
  });
  after(async () => {
    await http?.close();
    await Promise.all([four, six, foreign].map(ended));
  });

  const ask = async (port: number | string): Promise<readonly [number, string]> => {
    const answer = await fetch(new URL(`/probe/tcp/${port}`, http.url));
    return [answer.status, await answer.text()];
  };

  test("hold while the application takes connections, in either family", async () => {
    assert.deepEqual(await ask(portOf(four)), [200, "ok\n"]);
    assert.deepEqual(await ask(portOf(six)), [200, "ok\n"]);
  });

  test("fail once it takes none, and say which port", async () => {
    const port = portOf(ending);
    assert.deepEqual(await ask(port), [200, "ok\n"]);
    await ended(ending);
    const [status, text] = await ask(port);
    assert.equal(status, 503);
    assert.match(text, new RegExp(`^port ${port} takes no connection: .*ECONNREFUSED`));
  });

  test("leave no connection behind", async () => {
    await ask(portOf(four));
    const count = (): Promise<number> =>
      new Promise((resolve, reject) => {
        four.getConnections((error, found) => (error === null ? resolve(found) : reject(error)));
      });
    while ((await count()) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("are no way to look around: other ports are not asked for", async () => {
    for (const port of [portOf(foreign), "0", "-1", "x", "%2e%2e"]) {
      assert.equal((await ask(port))[0], 404, String(port));
    }
  });

  test("there are none where no probe was rewritten", () => {
    assert.deepEqual(probeRoutes(), []);
  });
});
