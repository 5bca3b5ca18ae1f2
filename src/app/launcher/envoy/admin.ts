import { request } from "node:http";
import { MeshError } from "../../../mesh/errors.ts";

export interface AdminAnswer {
  readonly status: number;
  readonly body: string;
}

/** Envoy's admin interface behind its Unix socket. */
export interface EnvoyAdmin {
  /** Path with its query. Throws MESH_UNREACHABLE. */
  readonly get: (path: string) => Promise<AdminAnswer>;
  /** What changes something. Throws MESH_UNREACHABLE. */
  readonly post: (path: string) => Promise<AdminAnswer>;
}

// Statistics of some thousand clusters take a second on a busy machine.
const timeoutMs = 5_000;

export function adminAt(socketPath: string): EnvoyAdmin {
  return {
    get: (path) => ask(socketPath, { method: "GET", path }),
    post: (path) => ask(socketPath, { method: "POST", path }),
  };
}

function ask(
  socketPath: string,
  { method, path }: { readonly method: "GET" | "POST"; readonly path: string },
): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      const message = `Cannot ask Envoy at ${socketPath} for "${path}"`;
      reject(new MeshError("MESH_UNREACHABLE", message, { cause }));
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const call = request({ socketPath, method, path, signal, agent: false }, (answer) => {
      let body = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        body += chunk;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      answer.on("error", fail);
    });
    call.on("error", fail);
    call.end();
  });
}
