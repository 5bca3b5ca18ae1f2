// What runs inside a pod: servers and callers that know of no sidecar. Told by messages.
import { once } from "node:events";
import { createServer as createHttp, request } from "node:http";
import { connect, createServer as createTcp, type Socket } from "node:net";
import { text } from "node:stream/consumers";

/** `http` says who it is and who asked; `echo` gives lines back behind its name; `greet` speaks first. */
export interface Serve {
  readonly t: "serve";
  readonly kind: "http" | "echo" | "greet";
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export interface Ask {
  readonly t: "ask";
  readonly kind: Serve["kind"];
  readonly host: string;
  readonly port: number;
  /** HTTP: what the header says. */
  readonly name?: string;
  /** Which of its addresses it calls from. */
  readonly from?: string;
}

/** Open until `close`: how a connection fares while things change. */
export interface Hold {
  readonly t: "hold";
  readonly host: string;
  readonly port: number;
}

export type Told = (Serve | Ask | Hold | { readonly t: "say" } | { readonly t: "stop" }) & {
  readonly id?: number;
};

export interface Answer {
  readonly t: "answer";
  readonly id: number;
  /** What came back; `error:` and why where nothing did. */
  readonly said: string;
}

/** What an HTTP server says of a request. */
export interface Seen {
  readonly name: string;
  /** Who called, as the sidecar proved it; empty: nobody knows. */
  readonly caller: string;
  readonly from: string;
  readonly port: number;
}

/** What every caller claims to be. */
export const forgedCaller = "spiffe://east.acme.mesh/ns/shop/sa/forged";
const patienceMs = 20_000;
let held: Socket | undefined;

function serve({ kind, name, host, port }: Serve): Promise<unknown> {
  const server =
    kind === "http"
      ? createHttp((incoming, outgoing) => {
          const { socket, headers } = incoming;
          const caller = /URI=([^;,]+)/.exec(String(headers["x-forwarded-client-cert"] ?? ""));
          const seen: Seen = {
            name,
            caller: caller?.[1] ?? "",
            from: socket.remoteAddress ?? "",
            port: socket.localPort ?? 0,
          };
          outgoing.end(JSON.stringify(seen));
        })
      : createTcp((socket) => {
          socket.on("error", () => undefined);
          if (kind === "greet") socket.write(`${name} greets\n`);
          socket.on("data", (chunk) => socket.write(`${name} ${chunk.toString()}`));
        });
  server.listen(port, host);
  return once(server, "listening").then(() => "serves");
}

async function ask({ kind, host, port, name, from }: Ask): Promise<string> {
  const at = { host, port, ...(from === undefined ? {} : { localAddress: from }) };
  if (kind === "http") {
    // Whoever believes this has not looked who called.
    const forged = { "x-forwarded-client-cert": `URI=${forgedCaller}` };
    const headers = {
      connection: "close",
      ...forged,
      ...(name === undefined ? {} : { host: name }),
    };
    const call = request({ ...at, headers, agent: false, timeout: patienceMs });
    call.on("timeout", () => call.destroy(new Error("timeout")));
    call.end();
    const [answer] = (await once(call, "response")) as [import("node:http").IncomingMessage];
    const body = await text(answer);
    return answer.statusCode === 200 ? body : `error: ${answer.statusCode} ${body}`;
  }
  const socket = connect(at);
  socket.setTimeout(patienceMs, () => socket.destroy(new Error("timeout")));
  if (kind === "echo") socket.write("hello\n");
  return line(socket).finally(() => socket.destroy());
}

function line(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once("data", (chunk) => resolve(chunk.toString().trim()));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed")));
  });
}

async function answerTo(told: Told): Promise<unknown> {
  switch (told.t) {
    case "serve":
      return serve(told);
    case "ask":
      return ask(told);
    case "hold":
      held = connect(told);
      held.setTimeout(patienceMs, () => held?.destroy(new Error("timeout")));
      held.on("error", () => undefined);
      held.write("held\n");
      return line(held);
    case "say": {
      if (held === undefined) throw new Error("nothing is held");
      held.write("again\n");
      return line(held);
    }
    case "stop":
      process.exit(0);
  }
}

process.on("message", (told: Told) => {
  answerTo(told)
    .catch((thrown: unknown) => {
      const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
      return `error: ${code ?? (thrown instanceof Error ? thrown.message : String(thrown))}`;
    })
    .then((said) => process.send?.({ t: "answer", id: told.id ?? 0, said: String(said) }))
    .catch(() => undefined);
});
process.on("disconnect", () => process.exit(0));
process.send?.({ t: "answer", id: -1, said: "here" });
