import { request } from "node:http";
import { reasonOf } from "../../../mesh/errors.ts";
import { dialLocal } from "../../dial.ts";
import type { ProbeOutcome } from "./health-judge.ts";

/** A GET whose answer is judged by its first line: bodies are not read, redirects not followed. Never rejects. */
export async function probeHttp(
  { port, path }: { readonly port: number; readonly path: string },
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  const door = await dialLocal(port, signal);
  if (door.t === "closed") return { t: "failed", reason: door.reason };
  try {
    const status = await statusOf({ host: door.host, port, path }, signal);
    if (status >= 200 && status < 400) return { t: "passed" };
    return { t: "failed", reason: `GET ${path} on port ${port} answers ${status}` };
  } catch (thrown) {
    return { t: "failed", reason: `GET ${path} on port ${port}: ${reasonOf(thrown)}` };
  }
}

function statusOf(
  to: { readonly host: string; readonly port: number; readonly path: string },
  signal: AbortSignal,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { host: "localhost", "user-agent": "isthmus", connection: "close" };
    const asked = request({ ...to, signal, headers, agent: false }, (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    asked.on("error", reject);
    asked.end();
  });
}
