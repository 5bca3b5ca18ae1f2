import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer as createHttp, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { realClock } from "../../../../src/app/real-time.ts";
import type { WorkloadHealth } from "../../../../src/app/vm/health/health-judge.ts";
import { startHealthChecks } from "../../../../src/app/vm/health/run-checks.ts";
import type { HealthProbe } from "../../../../src/mesh/health-check.ts";

const quick = { periodMs: 20, timeoutMs: 20, failureThreshold: 1, successThreshold: 1 };

/** Health as it is told, one by one. */
class Told implements AsyncDisposable {
  readonly #checks: AsyncDisposable;
  readonly #all: WorkloadHealth[] = [];
  #wake: () => void = () => undefined;

  constructor(probe: HealthProbe, options: { timeoutMs?: number; isExecAllowed?: boolean } = {}) {
    const { timeoutMs = 5000, isExecAllowed = false } = options;
    this.#checks = startHealthChecks({
      check: { ...quick, timeoutMs, probe },
      isExecAllowed,
      clock: realClock,
      onChange: (health) => {
        this.#all.push(health);
        this.#wake();
      },
    });
  }

  async next(): Promise<WorkloadHealth> {
    for (;;) {
      const first = this.#all.shift();
      if (first !== undefined) return first;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#checks[Symbol.asyncDispose]());
  }
}

async function listening(
  server: Server,
): Promise<{ readonly port: number; close: () => Promise<void> }> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, close: () => new Promise((resolve) => void server.close(() => resolve())) };
}

async function web(answer: RequestListener): ReturnType<typeof listening> {
  const server = createHttp(answer);
  const { port, close } = await listening(server);
  return {
    port,
    close: () => {
      server.closeAllConnections();
      return close();
    },
  };
}

test("an HTTP check passes by 2xx and 3xx, follows nothing, and tells a change once", async () => {
  let status = 302;
  const paths = new Set<string>();
  const app = await web((request, response) => {
    paths.add(request.url ?? "");
    response.writeHead(status, { location: "/elsewhere" }).end("x".repeat(100_000));
  });
  const told = new Told({ t: "http", port: app.port, path: "/ready?deep=1" });
  assert.deepEqual(await told.next(), { isHealthy: true });
  status = 503;
  const reason = `GET /ready?deep=1 on port ${app.port} answers 503`;
  assert.deepEqual(await told.next(), { isHealthy: false, reason });
  status = 200;
  assert.deepEqual(await told.next(), { isHealthy: true });
  assert.deepEqual([...paths], ["/ready?deep=1"]);
  await told[Symbol.asyncDispose]();
  await app.close();
});

function saySsh(socket: Socket): void {
  // The probe hangs up first, and hard.
  socket.on("error", () => undefined);
  socket.resume().end("SSH-2.0-server\r\n");
}

test("an HTTP check fails when the application is silent, talks nonsense, or is gone", async () => {
  const silent = await web(() => undefined);
  {
    await using told = new Told({ t: "http", port: silent.port, path: "/" }, { timeoutMs: 50 });
    assert.match((await told.next()).reason ?? "", /aborted/);
  }
  const rude = await listening(createTcp(saySsh));
  {
    await using told = new Told({ t: "http", port: rude.port, path: "/" });
    assert.match((await told.next()).reason ?? "", /GET \/ on port \d+: /);
  }
  await Promise.all([silent.close(), rude.close()]);
  await using told = new Told({ t: "http", port: rude.port, path: "/" });
  assert.match((await told.next()).reason ?? "", /takes no connection: .*ECONNREFUSED/);
});

test("a TCP check follows a port that opens and closes, on IPv6's loopback too", async () => {
  const first = await listening(createTcp((socket) => socket.destroy()));
  await using told = new Told({ t: "tcp", port: first.port });
  assert.equal((await told.next()).isHealthy, true);
  await first.close();
  assert.equal((await told.next()).isHealthy, false);
  const six = createTcp((socket) => socket.destroy());
  await new Promise<void>((resolve) => six.listen(first.port, "::1", resolve));
  assert.equal((await told.next()).isHealthy, true);
  await new Promise((resolve) => six.close(resolve));
});

test("a gRPC check asks the standard health service, for one service or the server", async () => {
  const states = new Map([
    ["", 1],
    ["cart", 1],
  ]);
  const server = new GrpcServer();
  const bytes = (value: Buffer): Buffer => value;
  server.addService(
    {
      check: {
        path: "/grpc.health.v1.Health/Check",
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    {
      check: (call: { request: Buffer }, done: (error: object | null, answer?: Buffer) => void) => {
        const state = states.get(call.request.subarray(2).toString());
        if (state === undefined) done({ code: 5, details: "unknown service" });
        else done(null, Buffer.from([0x08, state]));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  {
    await using whole = new Told({ t: "grpc", port });
    assert.equal((await whole.next()).isHealthy, true);
  }
  {
    await using cart = new Told({ t: "grpc", port, service: "cart" });
    assert.equal((await cart.next()).isHealthy, true);
    states.set("cart", 2);
    const reason = `gRPC health of cart on port ${port} answers NOT_SERVING`;
    assert.deepEqual(await cart.next(), { isHealthy: false, reason });
  }
  {
    await using other = new Told({ t: "grpc", port, service: "other" });
    assert.match((await other.next()).reason ?? "", /5 NOT_FOUND: unknown service/);
  }
  server.forceShutdown();
  await using gone = new Told({ t: "grpc", port });
  assert.match((await gone.next()).reason ?? "", /takes no connection/);
});

test("a program is no check unless whoever keeps the VM allows it", async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-exec-"));
  const mark = join(dir, "ran");
  await using told = new Told({ t: "exec", command: ["/bin/touch", mark] });
  assert.match((await told.next()).reason ?? "", /--allow-exec/);
  assert.equal(existsSync(mark), false);
  await rm(dir, { recursive: true });
});

const exec = (...command: readonly string[]): Told =>
  new Told({ t: "exec", command }, { isExecAllowed: true });

test("a program's exit code decides, and its last line is the reason", async () => {
  {
    await using good = exec("true");
    assert.deepEqual(await good.next(), { isHealthy: true });
  }
  {
    await using bad = exec("/bin/sh", "-c", "echo one; echo 'no \u001b[31mdisk' >&2; exit 3");
    const { isHealthy, reason } = await bad.next();
    assert.deepEqual([isHealthy, reason], [false, "/bin/sh ends with 3: no \\u{1b}[31mdisk"]);
  }
  {
    await using absent = exec("/no/such/program");
    assert.match((await absent.next()).reason ?? "", /does not run: .*ENOENT/);
  }
});

test("a program gets its words as they are, no shell, and nothing of our environment", async () => {
  process.env["ISTHMUS_TEST_SECRET"] = "s3cret";
  await using told = exec("/usr/bin/env", "sh", "-c", 'env >&2; test -z "$ISTHMUS_TEST_SECRET"');
  assert.deepEqual(await told.next(), { isHealthy: true });
  await using literal = exec("/usr/bin/test", "$(echo x);`id`", "=", "$(echo x);`id`");
  assert.deepEqual(await literal.next(), { isHealthy: true });
  delete process.env["ISTHMUS_TEST_SECRET"];
});

test("a program that hangs is killed with all that it started, however much it prints", {
  timeout: 60_000,
}, async () => {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-exec-"));
  const pidFile = join(dir, "pid");
  const script = `sleep 1000 & echo $! > ${pidFile}; yes | head -c 50000000; wait`;
  const command = ["/bin/sh", "-c", script] as const;
  const told = new Told({ t: "exec", command }, { isExecAllowed: true, timeoutMs: 1500 });
  assert.match((await told.next()).reason ?? "", /no answer in time/);
  await told[Symbol.asyncDispose]();
  const pid = (await readFile(pidFile, "utf8")).trim();
  const stateOf = (): Promise<string> => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone");
  // Killed is not yet gone; who is not killed sleeps for so long that this test ends by its own time limit.
  while (!/^gone$|\) Z /.test(await stateOf())) await wait(5);
  await rm(dir, { recursive: true });
});

test("a program that leaves others behind is done when it ends itself", async () => {
  await using told = exec("/bin/sh", "-c", "setsid sleep 2 & exit 0");
  assert.deepEqual(await told.next(), { isHealthy: true });
});
