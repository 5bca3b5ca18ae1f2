import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import type { EngineKind } from "../../src/app/config/config.ts";
import { askUntil } from "../app/support/ask.ts";
import { Federation } from "./federation.ts";
import { run } from "./program.ts";

export interface DenialCase {
  readonly engine: EngineKind;
  /** Of cart's port: `http` or `tcp`. */
  readonly portName: string;
  /** East calls, west answers. */
  readonly denied: "east" | "west";
}

export interface Denial {
  /** From the command's start to the last answer, on a connection that was open and on new ones. */
  readonly lastKeptMs: number;
  readonly lastNewMs: number;
  /** How long the command took. */
  readonly commandMs: number;
}

// Whoever was answered once in so long may be so again.
const quietMs = 3_000;
const cart = "cart of west";

/**
 * Denies one of two members that are processes of their own, while east calls west all the time. The denied
 * one's agent is dead by then, so that its proxies go on as if nothing was: only the other member's can end it.
 */
export async function deny({ denied, ...options }: DenialCase): Promise<Denial> {
  await using mesh = await Federation.make({ ...options, hasRoot: true });
  await mesh.redis.start();
  await mesh.startAll(["east-agent", "west-agent"]);
  await mesh.startAll(["west-gateway", "west-cart", "east-frontend"]);
  await askUntil(mesh.url, cart, { allowed: [], mayFail: true });
  const { frontend } = mesh.ports;
  const [kept, fresh] = await Promise.all([
    keepAsking(frontend, true),
    keepAsking(frontend, false),
  ]);
  await using _kept = kept;
  await using _fresh = fresh;
  await mesh.end(`${denied}-agent`, "SIGKILL");
  await Promise.all([kept.more(20), fresh.more(20)]);
  const startMs = performance.now();
  const api = denied === "east" ? mesh.westApi : mesh.eastApi;
  const config = denied === "east" ? "west-agent.yaml" : "east-agent.yaml";
  const { code, err } = await run(
    ["member", "deny", denied, "-c", config, "--agent", api],
    mesh.dir,
  );
  assert.equal(code, 0, err);
  const commandMs = performance.now() - startMs;
  await Promise.all([kept.over(), fresh.over()]);
  return { commandMs, lastKeptMs: kept.lastMs() - startMs, lastNewMs: fresh.lastMs() - startMs };
}

interface Asking extends AsyncDisposable {
  /** Resolves after so many answers more. */
  readonly more: (count: number) => Promise<void>;
  /** Resolves when nobody answers any more. */
  readonly over: () => Promise<void>;
  /** When cart last answered; monotonic. */
  readonly lastMs: () => number;
}

/** Asks for cart without end, over one connection for as long as it lasts or over a new one each time. */
async function keepAsking(port: number, isKept: boolean): Promise<Asking> {
  let isStopped = false;
  let answers = 0;
  let lastMs = performance.now();
  let socket: Socket | undefined;
  const once1 = async (): Promise<void> => {
    if (socket === undefined || socket.destroyed) socket = await dial(port);
    const answer = await ask(socket);
    if (!isKept) socket.destroy();
    if (!answer.includes(cart)) return void socket.destroy();
    answers += 1;
    lastMs = performance.now();
  };
  const loop = async (): Promise<void> => {
    while (!isStopped) {
      await once1().catch(() => socket?.destroy());
      await wait(10);
    }
    socket?.destroy();
  };
  const running = loop();
  return {
    more: async (count) => {
      const goal = answers + count;
      while (answers < goal) await wait(10);
    },
    over: async () => {
      while (performance.now() - lastMs < quietMs) await wait(50);
    },
    lastMs: () => lastMs,
    [Symbol.asyncDispose]: async () => {
      isStopped = true;
      await running;
    },
  };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.setNoDelay();
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** One answer that is as short as cart's; empty when the connection ends instead, or nothing comes. */
async function ask(socket: Socket): Promise<string> {
  const over = new AbortController();
  socket.write("GET / HTTP/1.1\r\nhost: cart\r\n\r\n");
  const { signal } = over;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(2_000)]);
  try {
    const data = once(socket, "data", { signal: limit }).then(([chunk]) => String(chunk));
    const end = once(socket, "close", { signal: limit }).then(() => "");
    return await Promise.race([data, end]);
  } catch {
    return "";
  } finally {
    over.abort();
  }
}
