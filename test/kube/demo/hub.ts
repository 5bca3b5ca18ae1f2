import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { until } from "../admin-client.ts";

const port = 6379;

export interface Hub extends AsyncDisposable {
  readonly url: string;
}

/** A Redis on the namespace's loopback; both members publish there. */
export async function startHub(): Promise<Hub> {
  const args = ["--bind", "127.0.0.1", "--port", String(port), "--save", ""];
  const child: ChildProcess = spawn("redis-server", args, { stdio: "ignore" });
  const failed = once(child, "error").then(([error]) => {
    throw new Error(`Cannot start redis-server: ${String(error)}`);
  });
  await Promise.race([until("the hub answers", answers), failed]);
  return {
    url: `redis://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function answers(): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    socket.end("PING\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    return answer.toString().startsWith("+PONG");
  } finally {
    socket.destroy();
  }
}
