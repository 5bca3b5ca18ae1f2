import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type HostPort, isIp } from "../../../../../mesh/address.ts";
import type { Clock } from "../../../../../mesh/ports.ts";
import type { Timers } from "../../../../timers.ts";
import type { HubAccess } from "./hub-access.ts";
import { brokenBy, HubFailure } from "./hub-failure.ts";

export interface DialOptions {
  readonly access: HubAccess;
  readonly isTls: boolean;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timers: Timers;
  readonly signal: AbortSignal;
  /** Of one reply; default: a whole shard and some. A longer one cuts the connection. */
  readonly maxReplyBytes?: number;
}

/**
 * A server that owes a reply and sends nothing for so long is given up. More than the second that a
 * slow one may take; less than the callers' deadline, so that they learn why.
 */
export const silenceMs = 2000;
/** To another continent and back several times. A lost first packet is sent again by the next attempt. */
const connectMs = 1000;

/** A socket that is ready to speak Redis. Rejects with a HubFailure, or with the signal's reason. */
export function openSocket(address: HostPort, options: DialOptions): Promise<Socket> {
  const { isTls, signal, timers } = options;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const { host, port } = address;
    const socket = isTls
      ? connectTls({ host, port, ...tlsOptions(host, options.access) })
      : connect({ host, port });
    const give = (reason: unknown): void => {
      settle();
      // Destroyed sockets may still fail.
      socket.on("error", () => undefined);
      socket.destroy();
      reject(reason);
    };
    const giveUp = (): void =>
      give(new HubFailure("silent", `no connection within ${connectMs} ms`, { isFatal: true }));
    const secret = options.access.password?.reveal();
    const onError = (error: Error): void => give(brokenBy(error, secret));
    const onAbort = (): void => give(signal.reason);
    const onTcp = (): void => {
      if (!isTls) return onReady();
      // The handshake is the server's turn.
      cancel();
      cancel = timers.after(silenceMs, giveUp);
    };
    const onReady = (): void => {
      settle();
      resolve(socket);
    };
    const settle = (): void => {
      cancel();
      socket.removeListener("error", onError);
      socket.removeListener("connect", onTcp);
      socket.removeListener("secureConnect", onReady);
      signal.removeEventListener("abort", onAbort);
    };
    let cancel = timers.after(connectMs, giveUp);
    socket.on("error", onError);
    socket.on("connect", onTcp);
    socket.on("secureConnect", onReady);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function tlsOptions(host: string, access: HubAccess): ConnectionOptions {
  const name = access.serverName ?? host;
  return {
    minVersion: "TLSv1.2",
    // Server names are names: an IP address is compared with the certificate, but not sent.
    ...(isIp(name) ? {} : { servername: name }),
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    ...(access.cert === undefined ? {} : { cert: access.cert }),
    ...(access.key === undefined ? {} : { key: access.key.reveal() }),
  };
}
