import type { Socket } from "node:net";
import { AbstractConnector, Redis } from "ioredis";
import type { HostPort } from "../../../../../mesh/address.ts";
import type { Reply } from "../replies.ts";
import { brokenBy, HubFailure, refusalOf } from "./hub-failure.ts";
import { type DialOptions, openSocket, silenceMs } from "./open-socket.ts";
import { createReplyGuard, type ReplyLimits } from "./reply-guard.ts";

export type CommandPart = string | Buffer | number;
export type Command = readonly [string, ...CommandPart[]];

/**
 * One connection to one server, used once: it is never reconnected behind the back of its owner, so
 * no command is ever sent twice and none waits in a queue for another server.
 */
export interface HubConnection {
  readonly address: HostPort;
  /** Sent at once, in the order of the calls. Rejects with a HubFailure. */
  readonly call: (command: Command, options?: CallOptions) => Promise<Reply>;
  /** Resolves with the reason when the connection is of no use any more. */
  readonly closed: Promise<HubFailure>;
  readonly close: (reason: HubFailure) => void;
  /** Commands without a reply. */
  readonly outstanding: () => number;
}

export interface CallOptions {
  /** How long the server may keep silent because it was told to wait. */
  readonly waitMs?: number;
}

/** After a first finding: this process may itself have been held up with the bytes at its door. */
const graceMs = 200;
const limits: ReplyLimits = { maxBytes: 100_663_296, maxElements: 262_144, maxDepth: 5 };

const itClosed = new HubFailure("unreachable", "it closed the connection", { isFatal: true });

/**
 * Connects, says who we are and asks the first question: only a server that answers is worth having.
 * Throws HubFailure. The signal ends the attempt, not what came of it.
 */
export async function dial(
  address: HostPort,
  first: Command,
  options: DialOptions,
): Promise<{ readonly connection: HubConnection; readonly reply: Reply }> {
  const { signal, access } = options;
  const socket = await openSocket(address, options);
  const connection = await wrapSocket(socket, { ...options, address });
  const onAbort = (): void => connection.close(brokenBy(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  const { username, password } = access;
  try {
    if (password !== undefined) {
      const user = username === undefined ? [] : [username];
      await connection.call(["AUTH", ...user, password.reveal()]);
    }
    // For CLIENT LIST. Not every server lets everybody.
    connection.call(["CLIENT", "SETNAME", "isthmus"]).catch(() => undefined);
    return { connection, reply: await connection.call(first) };
  } catch (thrown) {
    const failure = brokenBy(thrown);
    connection.close(failure);
    throw failure;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function wrapSocket(
  socket: Socket,
  options: DialOptions & { readonly address: HostPort },
): Promise<HubConnection> {
  const { clock, timers, address } = options;
  let asked = 0;
  let heardAtMs = clock.monotonicMs();
  let waitMs = 0;
  let isSuspect = false;
  let isWatching = false;
  let reason: HubFailure | undefined;
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<HubFailure>();
  const { maxReplyBytes: maxBytes = limits.maxBytes } = options;
  const guard = createReplyGuard({ ...limits, maxBytes }, () => asked);
  const outstanding = (): number => (reason === undefined ? asked - guard.replies() : 0);
  // A server may repeat what it was told, in any reply and at any time.
  const secret = options.access.password?.reveal() ?? "";
  const close = (why: HubFailure): void => {
    if (reason !== undefined) return;
    reason = why;
    client.disconnect();
    socket.destroy();
    onClosed(why);
  };
  guardSocket(socket, (chunk) => {
    heardAtMs = clock.monotonicMs();
    isSuspect = false;
    const wrong = guard.judge(chunk);
    if (wrong !== undefined) close(new HubFailure("junk", wrong, { isFatal: true }));
    return wrong === undefined;
  });

  const watch = (): void => {
    isWatching = true;
    const limitMs = silenceMs + waitMs;
    const restMs = isSuspect ? graceMs : heardAtMs + limitMs - clock.monotonicMs();
    timers.after(Math.max(restMs, graceMs), () => {
      isWatching = false;
      if (outstanding() === 0) return;
      const isSilent = clock.monotonicMs() - heardAtMs >= limitMs;
      if (isSilent && isSuspect) {
        return close(new HubFailure("silent", `no answer for ${limitMs} ms`, { isFatal: true }));
      }
      isSuspect = isSilent;
      watch();
    });
  };

  const client = clientOn(socket);
  client.on("error", (error: unknown) => close(brokenBy(error, secret)));
  client.on("end", () => close(itClosed));
  await client.connect().catch((thrown: unknown) => {
    close(brokenBy(thrown, secret));
    throw reason ?? thrown;
  });

  const call = async (command: Command, callOptions: CallOptions = {}): Promise<Reply> => {
    if (reason !== undefined) throw reason;
    if (outstanding() === 0) heardAtMs = clock.monotonicMs();
    waitMs = callOptions.waitMs ?? 0;
    asked += 1;
    const [name, ...parts] = command;
    const reply = client.callBuffer(name, parts);
    if (!isWatching) watch();
    try {
      return (await reply) as Reply;
    } catch (thrown) {
      // The library's errors carry the command with its arguments: they go no further.
      const failure = reason ?? failureOf(thrown, secret);
      if (failure.isFatal) close(failure);
      throw failure;
    }
  };
  return { address, call, closed, close, outstanding };
}

/**
 * The library, told to do nothing on its own account: no reconnecting, no resending, no queue, no
 * questions at the start. Which server to connect to and when is decided in `hub-link.ts`.
 */
function clientOn(socket: Socket): Redis {
  class GivenSocket extends AbstractConnector {
    constructor() {
      super(0);
    }
    connect(): Promise<Socket> {
      return Promise.resolve(socket);
    }
    override disconnect(): void {
      socket.destroy();
    }
  }
  return new Redis({
    Connector: GivenSocket,
    lazyConnect: true,
    protocol: 2,
    retryStrategy: null,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    disableClientInfo: true,
    connectTimeout: 0,
  });
}

/** Shows each chunk to `admit` before anybody else hears of it; what is not admitted ends there. */
function guardSocket(socket: Socket, admit: (chunk: Buffer) => boolean): void {
  const emit = socket.emit.bind(socket) as (event: string | symbol, ...args: unknown[]) => boolean;
  socket.emit = ((event: string | symbol, ...args: unknown[]): boolean => {
    if (event === "data" && !admit(args[0] as Buffer)) return true;
    return emit(event, ...args);
  }) as typeof socket.emit;
}

function failureOf(thrown: unknown, secret: string): HubFailure {
  const isReply = thrown instanceof Error && thrown.name === "ReplyError";
  if (isReply) return refusalOf(thrown.message, secret);
  // The library's words for a connection that is half closed are about its own options.
  const isClosed = thrown instanceof Error && /isn't writeable|is closed/.test(thrown.message);
  return isClosed ? itClosed : brokenBy(thrown, secret);
}
