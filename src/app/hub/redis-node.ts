import { dial, type HubConnection } from "../../discovery/io/catalog/redis/link/connection.ts";
import type { HubAccess } from "../../discovery/io/catalog/redis/link/hub-access.ts";
import { brokenBy, HubFailure } from "../../discovery/io/catalog/redis/link/hub-failure.ts";
import type { Reply } from "../../discovery/io/catalog/redis/replies.ts";
import { formatHostPort, type HostPort } from "../../mesh/address.ts";
import { realClock, realTimers } from "../real-time.ts";
import type { HubTrouble } from "./check/hub-facts.ts";

/** Where a server is, and how to get in. */
export interface NodeDoor {
  readonly address: HostPort;
  readonly isTls: boolean;
  readonly access: HubAccess;
}

export type Opened =
  | { readonly t: "open"; readonly node: RedisNode }
  | { readonly t: "failed"; readonly trouble: HubTrouble };

/** What a server said, as text; lists may be nested. */
export type Answer = string | number | null | readonly Answer[];

// Long enough for another continent, short enough for somebody who waits at a terminal.
const dialMs = 8000;

/**
 * One connection to one server. It never connects again by itself: what is asked inside a transaction
 * must not end up outside of it.
 */
export class RedisNode implements Disposable {
  readonly #connection: HubConnection;
  /** `host:port` */
  readonly name: string;

  constructor(connection: HubConnection) {
    this.#connection = connection;
    this.name = formatHostPort(connection.address);
  }

  /** Throws HubFailure; `isRefusal` tells what the server said from a broken connection. */
  async call(command: string, ...args: readonly string[]): Promise<Answer> {
    return answerOf(await this.#connection.call([command, ...args]));
  }

  [Symbol.dispose](): void {
    this.#connection.close(new HubFailure("other", "it has been asked"));
  }
}

/** The server answered, and said no. */
export function isRefusal(thrown: unknown): thrown is HubFailure {
  return thrown instanceof HubFailure && thrown.word !== "";
}

export async function openNode({ address, isTls, access }: NodeDoor): Promise<Opened> {
  const options = { access, isTls, clock: realClock, timers: realTimers };
  try {
    const signal = AbortSignal.timeout(dialMs);
    const { connection } = await dial(address, ["PING"], { ...options, signal });
    return { t: "open", node: new RedisNode(connection) };
  } catch (thrown) {
    const door = { name: formatHostPort(address), isTls };
    return { t: "failed", trouble: troubleOf(brokenBy(thrown), door) };
  }
}

function troubleOf(
  failure: HubFailure,
  door: { readonly name: string; readonly isTls: boolean },
): HubTrouble {
  const reason = `${door.name}: ${failure.message}`;
  switch (failure.kind) {
    case "tls":
      return { t: "tls", reason };
    case "auth":
    case "forbidden":
      return { t: "login", reason };
    case "busy":
    case "replica":
      return { t: "busy", reason };
    case "junk":
    case "moved":
    case "full":
    case "other":
      return { t: "strange", reason };
    case "unreachable":
    case "silent": {
      const hint = door.isTls ? "does its port speak TLS?" : "does its port want rediss://?";
      // Who refuses the connection has no port at all.
      const isPort = !/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UNREACH/.test(reason);
      return { t: "unreachable", reason: isPort ? `${reason}; ${hint}` : reason };
    }
  }
}

function answerOf(reply: Reply): Answer {
  if (Buffer.isBuffer(reply)) return reply.toString("utf8");
  if (reply instanceof Error) return reply.message;
  if (Array.isArray(reply)) return (reply as readonly Reply[]).map(answerOf);
  return reply as string | number | null;
}
