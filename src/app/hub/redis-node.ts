import { TLSSocket } from "node:tls";
import { Redis } from "ioredis";
import { formatHostPort, type HostPort, isIp } from "../../mesh/address.ts";
import { reasonOf } from "../../mesh/errors.ts";
import type { Secret } from "../../mesh/secret.ts";
import type { HubFailure, TransportFacts } from "./hub-facts.ts";
import { visible } from "./visible.ts";

/** Where a server is, and how to get in. */
export interface NodeDoor {
  readonly address: HostPort;
  /** PEM texts; undefined: plain TCP. */
  readonly tls:
    | {
        readonly ca: string | undefined;
        readonly cert: string | undefined;
        readonly key: string | undefined;
        readonly serverName: string | undefined;
      }
    | undefined;
  readonly login: { readonly username: string | undefined; readonly password: Secret } | undefined;
}

export type Opened =
  | { readonly t: "open"; readonly node: RedisNode }
  | { readonly t: "failed"; readonly failure: HubFailure };

/** An error reply, by its first word. */
export class RedisRefusal extends Error {
  readonly word: string;

  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(visible(message), options);
    this.name = "RedisRefusal";
    this.word = /^[A-Z]+/.exec(message)?.[0] ?? "";
  }
}

// Long enough for another continent, short enough for somebody who waits at a terminal.
const connectTimeoutMs = 5000;
const replyTimeoutMs = 5000;

/**
 * One connection to one server, that never connects again by itself: what is asked inside a transaction
 * must not end up outside of it.
 */
export class RedisNode implements Disposable {
  readonly #client: Redis;
  /** `host:port` */
  readonly name: string;

  constructor(client: Redis, name: string) {
    this.#client = client;
    this.name = name;
  }

  /** Throws RedisRefusal for what the server refuses, another error when it is gone. */
  async call(command: string, ...args: readonly string[]): Promise<unknown> {
    try {
      return await this.#client.call(command, ...args);
    } catch (cause) {
      if (isReply(cause)) throw new RedisRefusal(cause.message, { cause });
      throw cause;
    }
  }

  transport(): TransportFacts {
    const socket = this.#client.stream;
    if (!(socket instanceof TLSSocket)) {
      return { t: "plain", isLoopback: isLoopback(socket.remoteAddress ?? "") };
    }
    const endsMs = Date.parse(socket.getPeerCertificate().valid_to ?? "");
    return {
      t: "tls",
      protocol: socket.getProtocol() ?? "unknown",
      certificateEndsMs: Number.isNaN(endsMs) ? undefined : endsMs,
    };
  }

  [Symbol.dispose](): void {
    this.#client.disconnect();
  }
}

export async function openNode(door: NodeDoor): Promise<Opened> {
  const name = formatHostPort(door.address);
  const client = clientFor(door);
  // Says why a connection failed; `connect()` only says that it did.
  let why: unknown;
  client.on("error", (error: unknown) => {
    why = error;
  });
  try {
    await client.connect();
  } catch (thrown) {
    client.disconnect();
    return { t: "failed", failure: connectFailure(why ?? thrown, { door, name }) };
  }
  const node = new RedisNode(client, name);
  const refusal = await greet(node, door.login);
  if (refusal === undefined) return { t: "open", node };
  node[Symbol.dispose]();
  return { t: "failed", failure: refusal };
}

function clientFor({ address: { host, port }, tls }: NodeDoor): Redis {
  const secure = tls && {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...serverNameFor(tls.serverName ?? host),
  };
  return new Redis({
    host,
    port,
    ...(secure === undefined ? {} : { tls: secure }),
    lazyConnect: true,
    retryStrategy: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The check is what is done here; the reply to AUTH is read by `greet`.
    enableReadyCheck: false,
    disableClientInfo: true,
    protocol: 2,
    connectTimeout: connectTimeoutMs,
    commandTimeout: replyTimeoutMs,
  });
}

/** Logs in and hears whether a Redis is there; returns what is wrong. */
async function greet(node: RedisNode, login: NodeDoor["login"]): Promise<HubFailure | undefined> {
  try {
    if (login !== undefined) {
      const user = login.username === undefined ? [] : [login.username];
      await node.call("AUTH", ...user, login.password.reveal());
    }
    await node.call("PING");
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof RedisRefusal)) {
      const hint = node.transport().t === "plain" ? "; does this port want rediss://?" : "";
      const what = `takes the connection, but answers nothing (${reasonOf(thrown)})${hint}`;
      return { t: "unreachable", reason: `${node.name} ${what}` };
    }
    // A server that has only just started, and one that only tells that it has no password.
    if (["LOADING", "MASTERDOWN", "BUSY"].includes(thrown.word)) return undefined;
    return { t: "login", reason: `${node.name} refuses the login: ${thrown.message}` };
  }
}

/** An address is compared with the certificate without being sent: RFC 6066 allows names only. */
function serverNameFor(name: string): { readonly servername?: string } {
  return isIp(name) ? {} : { servername: name };
}

/** Codes of Node's TLS that are about certificates, and of OpenSSL about what is no TLS at all. */
const tlsCodes = /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO_|EPROTO/;

function connectFailure(
  why: unknown,
  about: { readonly door: NodeDoor; readonly name: string },
): HubFailure {
  const code = why instanceof Error && "code" in why ? String(why.code) : "";
  const reason = visible(reasonOf(why));
  const isTls = about.door.tls !== undefined && tlsCodes.test(code);
  if (isTls) return { t: "tls", reason: `${about.name}: ${reason}` };
  const hint =
    about.door.tls !== undefined && code === "ETIMEDOUT" ? "; does this port speak TLS?" : "";
  return { t: "unreachable", reason: `${about.name} does not answer (${reason})${hint}` };
}

function isReply(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === "ReplyError";
}

function isLoopback(address: string): boolean {
  return /^(?:127\.|::1$|::ffff:127\.)/.test(address);
}
