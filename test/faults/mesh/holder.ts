import { connect, type Socket } from "node:net";

/** Told to a process that holds connections and uploads. */
export type ToHolder =
  | { readonly t: "hold"; readonly port: number; readonly connections: number }
  | { readonly t: "upload"; readonly port: number; readonly host: string; readonly bytes: number }
  | { readonly t: "count" }
  | { readonly t: "stop" };

export type FromHolder =
  | { readonly t: "held" }
  | { readonly t: "uploaded"; readonly status: string }
  | { readonly t: "counted"; readonly open: number };

// Beside a caller's sidecar, in a process of its own: thousands of connections that say nothing more after
// one exchange, and one body that takes long.
let open = 0;
const atOnce = 100;
const chunk = Buffer.alloc(65_536, "x");

process.on("message", (message: ToHolder) => void obey(message));
process.on("disconnect", () => process.exit(0));

async function obey(message: ToHolder): Promise<void> {
  switch (message.t) {
    case "hold":
      for (let begun = 0; begun < message.connections; begun += atOnce) {
        await Promise.all(Array.from({ length: atOnce }, () => hold(message.port)));
      }
      return answer({ t: "held" });
    case "upload":
      return answer({ t: "uploaded", status: await upload(message) });
    case "count":
      return answer({ t: "counted", open });
    case "stop":
      process.exit(0);
  }
}

function answer(message: FromHolder): void {
  process.send?.(message);
}

/** Resolves after its first answer, or when it failed. */
function hold(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("hello\n"));
    socket.once("data", () => {
      open += 1;
      socket.once("close", () => {
        open -= 1;
      });
      resolve();
    });
    socket.on("error", () => resolve());
    socket.once("close", () => resolve());
  });
}

/** The status line, or why there is none. */
function upload(what: Extract<ToHolder, { t: "upload" }>): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(what.port, "127.0.0.1");
    let left = what.bytes;
    const pump = (): void => {
      while (left > 0 && !socket.destroyed) {
        const piece = left < chunk.length ? chunk.subarray(0, left) : chunk;
        left -= piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket.write(
      `POST /upload HTTP/1.1\r\nhost: ${what.host}\r\ncontent-length: ${what.bytes}\r\nconnection: close\r\n\r\n`,
    );
    socket.on("drain", pump);
    socket.once("data", (first: Buffer) => end(socket, String(first).split("\r\n")[0] ?? ""));
    socket.on("error", (error) => end(socket, error.message));
    socket.on("close", () => end(socket, `closed with ${left} bytes unsent`));
    const end = (from: Socket, status: string): void => {
      from.destroy();
      resolve(status);
    };
    pump();
  });
}
