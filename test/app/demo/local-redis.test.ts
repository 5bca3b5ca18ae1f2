import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { startLocalRedis } from "../../../src/app/demo/local-redis.ts";

const never = new AbortController().signal;
const module = new URL("../../../src/app/demo/local-redis.ts", import.meta.url).pathname;

/** What a server on that port answers to PING; undefined when nobody listens. */
function ping(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write("PING\r\n"));
    socket.once("data", (bytes) => {
      socket.destroy();
      resolve(bytes.toString("utf8").trim());
    });
    socket.once("error", () => resolve(undefined));
  });
}

async function inFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "isthmus-local-redis-"));
  try {
    await run(dir);
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

test("startLocalRedis() starts a server on a port of its own and ends it", () =>
  inFolder(async (dir) => {
    const redis = await startLocalRedis({ dir: join(dir, "redis"), signal: never });
    const { port } = redis.address;
    assert.equal(await ping(port), "+PONG");
    await redis[Symbol.asyncDispose]();
    assert.equal(await ping(port), undefined);
  }));

test("a server of startLocalRedis() ends with the process that started it, however that one dies", () =>
  inFolder(async (dir) => {
    const script = `
      const { startLocalRedis } = await import(${JSON.stringify(module)});
      const redis = await startLocalRedis({ dir: ${JSON.stringify(dir)}, signal: new AbortController().signal });
      console.log(redis.address.port);
      setInterval(() => {}, 1000);
    `;
    const holder: ChildProcess = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    assert.ok(holder.stdout !== null);
    const [printed] = (await once(holder.stdout, "data")) as [Buffer];
    const port = Number(printed.toString("utf8"));
    assert.equal(await ping(port), "+PONG");
    holder.kill("SIGKILL");
    await once(holder, "exit");
    const deadlineMs = performance.now() + 10_000;
    while ((await ping(port)) !== undefined) {
      assert.ok(performance.now() < deadlineMs, "it outlives its demo");
      await wait(10);
    }
  }));

test("startLocalRedis() says what to install where there is no redis-server", () =>
  inFolder(async (dir) => {
    const path = process.env["PATH"];
    process.env["PATH"] = dir;
    try {
      await assert.rejects(startLocalRedis({ dir, signal: never }), {
        code: "MESH_UNREACHABLE",
        message: /^Cannot find redis-server: .*apt-get install redis-server.*--redis URL$/,
      });
    } finally {
      process.env["PATH"] = path;
    }
  }));
