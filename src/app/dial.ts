import { once } from "node:events";
import { connect } from "node:net";
import type { HostPort } from "../mesh/address.ts";
import { reasonOf } from "../mesh/errors.ts";

/** By their addresses, for a hosts file may lack one. */
const loopbacks = ["127.0.0.1", "::1"] as const;

/** Where a program of this machine takes connections at a port, or why it takes none. */
export type LocalDoor =
  | { readonly t: "open"; readonly host: (typeof loopbacks)[number] }
  | { readonly t: "closed"; readonly reason: string };

/** Dials a port on loopback, IPv4 first, and hangs up. Never rejects. */
export async function dialLocal(port: number, signal: AbortSignal): Promise<LocalDoor> {
  let first: string | undefined;
  for (const host of loopbacks) {
    const refusal = await dial({ host, port }, signal);
    if (refusal === undefined) return { t: "open", host };
    first ??= refusal;
  }
  return { t: "closed", reason: `port ${port} takes no connection: ${first ?? ""}` };
}

/** Dials and hangs up; undefined: it was taken, else why not. Never rejects. */
export async function dial(
  { host, port }: HostPort,
  signal: AbortSignal,
): Promise<string | undefined> {
  const socket = connect({ host, port });
  try {
    await once(socket, "connect", { signal });
    return undefined;
  } catch (thrown) {
    return reasonOf(thrown);
  } finally {
    socket.destroy();
  }
}
