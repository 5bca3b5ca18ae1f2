import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { createServer } from "node:net";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { probeWorkload } from "../../../../src/discovery/io/sources/workload-probe.ts";
import type { ProbeOutcome } from "../../../../src/discovery/sources/health.ts";
import type { Clock } from "../../../../src/mesh/ports.ts";
import type { HealthProbe } from "../../../../src/mesh/service.ts";

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

async function portOf(t: TestContext, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function outcomeOf(
  probe: HealthProbe,
  options?: { readonly timeoutMs?: number; readonly clock?: Clock; readonly signal?: AbortSignal },
): Promise<ProbeOutcome> {
  const target = { address: "127.0.0.1", probe };
  return probeWorkload(target, {
    timeoutMs: 5_000,
    clock,
    signal: new AbortController().signal,
    ...options,
  });
}

for (const [status, expected] of [
  [200, "ok"],
  [302, "ok"],
  [404, "failed"],
  [503, "failed"],
] as const) {
  test(`probeWorkload() is ${expected} for an HTTP answer of ${status}`, async (t) => {
    const server = createHttpServer((incoming, outgoing) => {
      outgoing.writeHead(incoming.url === "/healthz?deep=1" ? status : 500).end();
    });
    const port = await portOf(t, server);
    assert.equal(await outcomeOf({ t: "http", port, path: "/healthz?deep=1" }), expected);
  });
}

test("probeWorkload() is ok for a TCP port that accepts", async (t) => {
  const port = await portOf(
    t,
    createServer((socket) => socket.destroy()),
  );
  assert.equal(await outcomeOf({ t: "tcp", port }), "ok");
});

for (const kind of ["tcp", "http"] as const) {
  test(`probeWorkload() fails at once for a ${kind} port that nobody listens on`, async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const probe = kind === "tcp" ? { t: kind, port } : { t: kind, port, path: "/" };
    assert.equal(await outcomeOf(probe, { timeoutMs: 60_000 }), "failed");
  });
}

test("probeWorkload() fails for a server that resets the connection", async (t) => {
  const port = await portOf(
    t,
    createServer((socket) => socket.resetAndDestroy()),
  );
  assert.equal(await outcomeOf({ t: "http", port, path: "/" }), "failed");
});

test("probeWorkload() fails for an answer that is no HTTP", async (t) => {
  const port = await portOf(
    t,
    createServer((socket) => socket.end("junk\r\n\r\n")),
  );
  assert.equal(await outcomeOf({ t: "http", port, path: "/" }), "failed");
});

test("probeWorkload() fails for a server that never answers, when the time is up", async (t) => {
  const port = await portOf(
    t,
    createServer((socket) => socket.on("error", () => {}).resume()),
  );
  assert.equal(await outcomeOf({ t: "http", port, path: "/" }, { timeoutMs: 20 }), "failed");
});

test("probeWorkload() judges nobody when this process was too busy to keep the time", async (t) => {
  const port = await portOf(
    t,
    createServer((socket) => socket.on("error", () => {}).resume()),
  );
  const times = [0, 1_000];
  const lagging = { ...clock, monotonicMs: () => times.shift() ?? 1_000 };
  const outcome = await outcomeOf(
    { t: "http", port, path: "/" },
    { timeoutMs: 20, clock: lagging },
  );
  assert.equal(outcome, "void");
});

test("probeWorkload() ends when it is aborted", async (t) => {
  const server = createServer((socket) => socket.on("error", () => {}).resume());
  const port = await portOf(t, server);
  const stop = new AbortController();
  const outcome = outcomeOf(
    { t: "http", port, path: "/" },
    { timeoutMs: 60_000, signal: stop.signal },
  );
  await once(server, "connection");
  stop.abort();
  assert.equal(await outcome, "void");
});
