import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Agent, createServer, get } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** One process of the shop. All five services are this program; only their calls differ. */
export interface ShopAppOptions {
  readonly service: string;
  readonly member: string;
  readonly workload: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** By service: where its requests go, e.g. the sidecar's local port `http://127.0.0.1:15101`. All are asked for each answer. */
  readonly upstreams?: Readonly<Record<string, string>>;
}

export interface ShopApp {
  readonly host: string;
  readonly port: number;
  /** What `/healthz` answers: 200 while healthy, 503 else. Requests are served either way. */
  readonly setHealthy: (isHealthy: boolean) => void;
  /** While draining, every answer asks its caller to close the connection and go elsewhere. */
  readonly setDraining: (isDraining: boolean) => void;
  /** Requests in flight finish first. */
  readonly close: () => Promise<void>;
  /** What a crash looks like from outside: the port closes and every connection is reset. */
  readonly crash: () => Promise<void>;
}

/** Who answered, and who answered that one in turn. */
export interface ShopAnswer {
  readonly service: string;
  readonly member: string;
  readonly workload: string;
  readonly items: readonly string[];
  readonly calls: Readonly<Record<string, ShopAnswer | ShopFailure>>;
}

export interface ShopFailure {
  readonly error: string;
}

/** Which services each service calls: the upstreams that its sidecar has to offer. */
export const shopCalls: Readonly<Record<string, readonly string[]>> = {
  frontend: ["catalog", "cart", "checkout"],
  catalog: ["inventory"],
  cart: [],
  checkout: ["cart", "inventory"],
  inventory: [],
};

const stock: ReadonlyMap<string, readonly string[]> = new Map([
  ["catalog", ["anchor", "compass", "lantern"]],
  ["cart", ["compass"]],
  ["inventory", ["anchor: 3", "compass: 41", "lantern: 7"]],
]);
const upstreamTimeoutMs = 5000;
const maxAnswerBytes = 64 * 1024;

/** Starts one service of the shop. Rejects when it cannot listen. */
export async function startShopApp(options: ShopAppOptions): Promise<ShopApp> {
  // One agent for each process: connections to the sidecar stay open between requests.
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const sockets = new Set<Socket>();
  let isHealthy = true;
  let isDraining = false;
  const server = createServer((incoming, outgoing) => {
    incoming.resume();
    if (isDraining) outgoing.setHeader("connection", "close");
    if (incoming.url === "/healthz") answerHealth(outgoing, isHealthy);
    else void answer(outgoing, { options, agent });
  });
  // Longer than clients keep an idle connection: whoever closes first may cut a request.
  server.keepAliveTimeout = 120_000;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const { address, port } = await listen(server, options);
  const close = async (): Promise<void> => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
    agent.destroy();
  };
  return {
    host: address,
    port,
    setHealthy(next) {
      isHealthy = next;
    },
    setDraining(next) {
      isDraining = next;
    },
    close,
    async crash() {
      // First of all, because closing the server ends idle connections in good order.
      for (const socket of sockets) socket.resetAndDestroy();
      await close();
    },
  };
}

function listen(server: Server, { host, port }: ShopAppOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port ?? 0, host ?? "127.0.0.1", () => {
      server.off("error", reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

function answerHealth(outgoing: ServerResponse, isHealthy: boolean): void {
  outgoing.writeHead(isHealthy ? 200 : 503).end(isHealthy ? "ok\n" : "unhealthy\n");
}

interface Answering {
  readonly options: ShopAppOptions;
  readonly agent: Agent;
}

/** Asks all upstreams at once. One that fails makes the whole answer a 502 that says which. */
async function answer(outgoing: ServerResponse, { options, agent }: Answering): Promise<void> {
  const { service, member, workload, upstreams = {} } = options;
  const calls = await Promise.all(
    Object.entries(upstreams).map(async ([name, url]) => [name, await ask(url, agent)] as const),
  );
  const isWhole = calls.every(([, called]) => !("error" in called));
  const items = stock.get(service) ?? [];
  const body: ShopAnswer = { service, member, workload, items, calls: Object.fromEntries(calls) };
  outgoing.writeHead(isWhole ? 200 : 502, { "content-type": "application/json" });
  outgoing.end(`${JSON.stringify(body)}\n`);
}

function ask(url: string, agent: Agent): Promise<ShopAnswer | ShopFailure> {
  return new Promise((resolve) => {
    const fail = (error: string): void => resolve({ error });
    const asked = get(url, { agent, timeout: upstreamTimeoutMs }, (incoming) => {
      readAnswer(incoming).then(resolve, (cause: unknown) => fail(String(cause)));
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer in time")));
    asked.on("error", (cause) => fail(cause.message));
  });
}

async function readAnswer(incoming: IncomingMessage): Promise<ShopAnswer | ShopFailure> {
  let text = "";
  incoming.setEncoding("utf8");
  for await (const chunk of incoming) {
    text += String(chunk);
    if (text.length > maxAnswerBytes) throw new Error("the answer is too long");
  }
  if (incoming.statusCode !== 200) return { error: `status ${incoming.statusCode}` };
  return JSON.parse(text) as ShopAnswer;
}
